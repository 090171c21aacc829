"""What is added to a user's connection parameters."""

import pytest

from multipool.connecting import with_keepalive, with_timeout


def test_keepalive_is_on_unless_the_user_speaks_of_it():
    assert with_keepalive({"host": "db"})["keepalives_idle"] == 30
    for own in ({"keepalives": 0}, {"keepalives_idle": 5}, {"tcp_user_timeout": 1}):
        assert with_keepalive({"host": "db", **own}) == {"host": "db", **own}


def test_nothing_is_added_to_a_service_that_is_not_found_and_may_say_more(monkeypatch, tmp_path):
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "none"))
    assert with_keepalive({"service": "shop"}) == {"service": "shop"}


@pytest.mark.parametrize(
    ("params", "limit", "each"),
    [
        ({"host": "db"}, 30, 30),
        ({"host": "a,b,c"}, 30, 10),
        ({"host": "db", "hostaddr": "10.0.0.1,10.0.0.2"}, 29.5, 15),
        ({"host": "a,b,c"}, 1, 2),
        ({"host": "a,b", "connect_timeout": "3"}, 30, 3),
        ({"connect_timeout": 0}, 4.2, 5),
    ],
)
def test_the_time_to_connect_in_is_shared_by_all_hosts(params, limit, each):
    assert with_timeout(params, limit)["connect_timeout"] == each


def test_a_service_may_be_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("PGSERVICE", "shop")
    assert with_keepalive({"dbname": "shop"}) == {"dbname": "shop"}


def test_the_time_to_connect_in_may_be_said_by_the_environment(monkeypatch):
    """As libpq has it, which asks there for what is not given: and the limit is always given."""
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert with_timeout({"host": "db"}, 30)["connect_timeout"] == 4
    assert with_timeout({"host": "db", "connect_timeout": None}, 30)["connect_timeout"] == 4
    assert with_timeout({"host": "db"}, 3)["connect_timeout"] == 3
    assert with_timeout({"host": "db", "connect_timeout": 7}, 30)["connect_timeout"] == 7


@pytest.fixture
def service(monkeypatch, tmp_path):
    """Write the lines of a service called shop."""
    path = tmp_path / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(path))

    def write(*lines):
        path.write_text("\n".join(["[shop]", *lines, "[other]", "connect_timeout=2"]))

    return write


def test_the_time_to_connect_in_may_be_said_by_a_service(service, monkeypatch):
    """The limit is always given, and would come before it."""
    service("host=db", "connect_timeout=4")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    assert with_timeout({"service": "shop"}, 30)["connect_timeout"] == 4
    assert with_timeout({"service": "shop", "connect_timeout": 7}, 30)["connect_timeout"] == 7
    assert with_timeout({"service": "shop"}, 2)["connect_timeout"] == 2
    monkeypatch.setenv("PGSERVICE", "shop")
    assert with_timeout({"connect_timeout": None}, 30)["connect_timeout"] == 4


def test_the_hosts_of_a_service_share_the_time_to_connect_in(service):
    service("host=a,b,c")
    assert with_timeout({"service": "shop"}, 30)["connect_timeout"] == 10
    assert with_timeout({"service": "shop", "host": "a"}, 30)["connect_timeout"] == 30


@pytest.mark.parametrize("lines", [["ldap://somewhere"], ["service=other"]])
def test_what_cannot_be_read_of_a_service_is_left_to_libpq(service, lines):
    service(*lines)
    assert with_timeout({"service": "shop"}, 30) == {"service": "shop", "connect_timeout": 30}
    assert with_keepalive({"service": "shop"}) == {"service": "shop"}


def test_keepalive_is_on_unless_the_service_speaks_of_it(service):
    service("host=db")
    assert with_keepalive({"service": "shop"})["keepalives_idle"] == 30
    service("keepalives=0")
    assert with_keepalive({"service": "shop"}) == {"service": "shop"}


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR"])
def test_the_hosts_may_be_named_by_the_environment(monkeypatch, variable):
    monkeypatch.setenv(variable, "10.0.0.1,10.0.0.2,10.0.0.3")
    assert with_timeout({"dbname": "shop"}, 30)["connect_timeout"] == 10
