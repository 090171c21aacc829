"""What is added to a user's connection parameters."""

from multipool.connecting import with_keepalive


def test_keepalive_is_on_unless_the_user_speaks_of_it():
    assert with_keepalive({"host": "db"})["keepalives_idle"] == 30
    for own in ({"keepalives": 0}, {"keepalives_idle": 5}, {"tcp_user_timeout": 1}):
        assert with_keepalive({"host": "db", **own}) == {"host": "db", **own}


def test_nothing_is_added_to_a_service_whose_file_may_say_more():
    assert with_keepalive({"service": "shop"}) == {"service": "shop"}
