"""A wrong option, driver or DSN: one clear error at once, and no secret in it."""

import pytest

from multipool import Pool, PoolConfig, PoolConfigError, PoolTimeout, drivers, get_driver
from multipool.testing.fake import FakeDriver

SECRET = "hunter2"


class Seconds(float):
    """A number of a class of its own, as NumPy's."""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_size": 0}, "option max_size=0: must be an integer of at least 1 or 'unlimited'"),
        ({"max_size": None}, "option max_size=None: must be an integer of at least 1"),
        ({"max_size": 2.5}, "option max_size=2.5: must be an integer"),
        ({"max_size": True}, "option max_size=True: must be an integer"),
        ({"min_size": -1}, "option min_size=-1: must be an integer of at least 0"),
        ({"min_size": 11}, "option min_size=11: must not be greater than max_size=10"),
        ({"timeout": -1}, "option timeout=-1: must be a number of at least 0"),
        ({"timeout": None}, "option timeout=None: must be a number of at least 0"),
        ({"timeout": float("nan")}, "option timeout=nan: must be a number"),
        (
            {"timeout": 10**400},
            "option timeout=10*: must be a number of at least 0, and at most 1000000000$",
        ),
        (
            {"max_idle": float("inf")},
            "option max_idle=inf: must be a number greater than 0 or None, and at most 1000000000$",
        ),
        ({"max_waiting": "3"}, "option max_waiting='3': must be an integer"),
        ({"max_lifetime": 0}, "option max_lifetime=0: must be a number greater than 0 or None"),
        ({"max_idle": "x"}, "option max_idle='x': must be a number greater than 0 or None"),
        ({"configure": 3}, "option configure=3: must be a callable that takes one argument"),
        (
            {"max_sise": 3},
            r"unknown option 'max_sise' \(did you mean 'max_size'\?\); allowed: name",
        ),
    ],
)
def test_a_wrong_option_is_named_with_its_value_and_what_is_allowed(options, expected):
    with pytest.raises(PoolConfigError, match=f"^pool 'shop': {expected}"):
        Pool({}, driver=FakeDriver(), name="shop", **options)


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "wrong", ["5", float("nan"), float("inf"), -1e300, 10**9 + 1, 10**400, True, (1,)]
)
def test_a_wrong_timeout_is_refused_though_a_connection_is_idle(make_pool, wrong, upkeep, strict):
    pool = make_pool(name="shop", max_size=1, upkeep=upkeep, strict=strict)
    pool.putconn(pool.getconn())
    expected = (
        f"pool 'shop': argument timeout={wrong!r}: must be a number of seconds,"
        " at most 1000000000, or None for the pool's timeout"
    )
    for ask in (
        pool.getconn,
        lambda timeout: pool.getconn(timeout=timeout),
        pool.connection,
        pool.cursor,
        lambda timeout: pool.execute("select 1", timeout=timeout),
    ):
        with pytest.raises(PoolConfigError) as refused:
            ask(wrong)
        assert str(refused.value) == expected
    assert pool.stats().idle == 1


@pytest.mark.parametrize("timeout", [None, 5, 0.5, 0, -1, 10**9, Seconds(2.5)])
def test_a_timeout_is_any_number_up_to_thirty_years(make_pool, timeout):
    pool = make_pool(max_size=1)
    conn = pool.getconn(timeout)
    if timeout is not None and timeout <= 0:
        with pytest.raises(PoolTimeout):  # now or never
            pool.getconn(timeout)
    pool.putconn(conn)
    with pool.connection(timeout) as again:
        assert again is conn


@pytest.mark.parametrize(
    ("call", "argument", "none"),
    [
        ("wait", "timeout", None),
        ("close", "timeout", None),
        ("held", "longer_than", "the pool's held_after"),
        ("idle_in_transaction", "longer_than", "the pool's idle_in_transaction_after"),
    ],
)
def test_a_wrong_number_of_seconds_is_refused_by_every_call(make_pool, call, argument, none):
    pool = make_pool(name="shop")
    or_none = "" if none is None else f", or None for {none}"
    for wrong in ["x", float("nan"), *([None] if none is None else [])]:
        with pytest.raises(PoolConfigError) as refused:
            getattr(pool, call)(wrong)
        assert str(refused.value) == (
            f"pool 'shop': argument {argument}={wrong!r}:"
            f" must be a number of seconds, at most 1000000000{or_none}"
        )
    pool.putconn(pool.getconn())  # it was not closed


def test_a_name_that_is_empty_is_refused():
    with pytest.raises(PoolConfigError, match="option name='': must be a string that is not empty"):
        PoolConfig(name="")


def test_an_unknown_driver_is_named_with_those_that_there_are():
    with pytest.raises(PoolConfigError, match="pool 'shop': unknown driver 'mysql'; known: ") as e:
        Pool({}, driver="mysql", name="shop")
    for name in drivers():
        assert name in str(e.value)


def test_what_is_called_otherwise_elsewhere_is_known_by_that_name_too():
    with pytest.raises(PoolConfigError, match=r"'psycopg3' \(did you mean 'psycopg'\?\); known: "):
        Pool({}, driver="psycopg3")
    with pytest.raises(PoolConfigError, match=r"'database' \(did you mean 'dbname'\?\)"):
        Pool({"database": "shop"}, driver=FakeDriver())
    with pytest.raises(PoolConfigError, match=r"'max_connections' \(did you mean 'max_size'\?\)"):
        Pool({}, driver=FakeDriver(), max_connections=5)


def test_the_three_drivers_are_found_by_entry_point():
    assert {"psycopg2", "pg8000", "psycopg"} <= set(drivers())


def test_a_driver_that_is_no_driver_is_refused():
    with pytest.raises(PoolConfigError, match="not int"):
        get_driver(3)


def test_a_value_error_handler_catches_configuration_errors():
    with pytest.raises(ValueError, match="mysql"):
        get_driver("mysql")


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("mysql://app:hunter2@db/shop", "a URI must begin with postgresql:// or postgres://"),
        ("postgresql://app:hunter2@db:port/shop", "port: must be a number from 1 to 65535"),
        ("postgresql://app:hunter2/shop", "port: must be a number"),
        ("postgresql://app:x@hunter2@db/shop", "more than one '@'"),
        ("postgresql://app:x@9?hunter2=1@db/shop", "more than one '@'"),
        ("postgresql://app:hunter2@db/shop?sslmod=require", "unknown .*'sslmod'.*'sslmode'"),
        ("postgresql://app:hunter2%@db/shop", "invalid percent-escape in the password"),
        ("postgresql://app:%ff@db/shop", "the password is not UTF-8"),
        ("postgresql://app:hunter2@[::1/shop", "IPv6"),
        ("postgresql://app:hunter2@db/shop?x", "name=value pairs joined by '&'"),
        ("postgresql:///shop?password=a&hunter2=b", "what follows password"),
        ("host=db password=a hunter2=b", "what follows password"),
        ("host=db password='hunter2", "wrong in pair 2"),
        ("password=a hunter2", "wrong in pair 2"),
        ("hots=db password=hunter2", "unknown connection parameter 'hots'.*did you mean 'host'"),
        ({"hots": "db", "password": SECRET}, "unknown connection parameter 'hots'"),
        (3, "must be a string, a dict of parameters, or a callable"),
        (None, "must be a string, a dict of parameters, or a callable"),
    ],
)
def test_a_bad_dsn_is_explained_at_once_and_shows_no_password(dsn, expected):
    with pytest.raises(PoolConfigError, match=f"^pool 'shop': .*{expected}") as caught:
        Pool(dsn, driver=FakeDriver(), name="shop")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_callable_is_asked_for_each_connection_and_its_answer_is_checked(fake, make_pool):
    answers = iter([{"dbname": "a"}, "dbname=b", {"hots": "c"}])
    pool = Pool(lambda: next(answers), driver=FakeDriver(fake), name="shop")
    held = [pool.getconn(), pool.getconn()]
    with pytest.raises(PoolConfigError, match="'hots'"):
        pool.getconn()
    assert fake.open == 2
    for conn in held:
        conn.close()
    pool.close()


def test_it_is_told_where_a_callable_led_once_it_was_asked(fake):
    led = {"host": "db", "dbname": "shop", "password": SECRET}
    with Pool(lambda: led, driver=FakeDriver(fake)) as pool:
        assert "(from a callable)" in pool.as_table()
        with pool.connection():
            assert "host=db dbname=shop" in pool.as_table()
        assert SECRET not in repr(pool) + pool.as_table()


def test_every_error_is_importable_from_the_package():
    import multipool

    for name in ("PoolError", "PoolTimeout", "PoolClosed", "TooManyWaiting", "PoolConfigError"):
        assert issubclass(getattr(multipool, name), multipool.PoolError)
        assert getattr(multipool, name).__module__ == "multipool"
