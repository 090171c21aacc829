"""The DSN parser agrees with libpq, where there is one to ask."""

import pytest

from multipool import conninfo

DSNS = {
    "": {},
    "postgresql://": {},
    "postgresql://app@db/shop": {"user": "app", "host": "db", "dbname": "shop"},
    "postgres://u:p%40w@h1:1,h2:2/d?sslmode=require": {
        "user": "u",
        "password": "p@w",
        "host": "h1,h2",
        "port": "1,2",
        "dbname": "d",
        "sslmode": "require",
    },
    "postgresql://u:a?b=c@h/d": {"user": "u", "password": "a?b=c", "host": "h", "dbname": "d"},
    "postgresql://u:a:b@h/": {"user": "u", "password": "a:b", "host": "h"},
    "postgresql:///d?host=/tmp/a&port=6": {"dbname": "d", "host": "/tmp/a", "port": "6"},
    "postgresql://%2Ftmp%2Fs/x": {"host": "/tmp/s", "dbname": "x"},
    "postgresql://[::1]:55/x": {"host": "::1", "port": "55", "dbname": "x"},
    "postgresql://h,h2:5/": {"host": "h,h2", "port": ",5"},
    "postgresql://h/d?options=-c%20geqo%3Doff": {
        "host": "h",
        "dbname": "d",
        "options": "-c geqo=off",
    },
    "host=a port=5 dbname='x y' password='a\\'b' user=": {
        "host": "a",
        "port": "5",
        "dbname": "x y",
        "password": "a'b",
        "user": "",
    },
    "host = a  user= b": {"host": "a", "user": "b"},
    "password=a\\ b\\\\": {"password": "a b\\"},
    "dbname=''": {"dbname": ""},
}


@pytest.mark.parametrize("dsn", DSNS)
def test_a_dsn_is_read_by_libpqs_rules(dsn):
    assert conninfo.parse(dsn) == DSNS[dsn]


@pytest.mark.parametrize("dsn", DSNS)
def test_libpq_reads_it_the_same_way(dsn):
    libpq = pytest.importorskip("psycopg.conninfo", reason="asks psycopg's libpq")
    assert {k: str(v) for k, v in libpq.conninfo_to_dict(dsn).items()} == DSNS[dsn]


def test_every_keyword_of_the_installed_libpq_is_known():
    pq = pytest.importorskip("psycopg", reason="asks psycopg's libpq").pq
    assert {option.keyword.decode() for option in pq.Conninfo.get_defaults()} <= conninfo.KEYWORDS


def test_secrets_are_redacted():
    shown = conninfo.redact({"host": "db", "password": "hunter2", "sslpassword": "x"})
    assert shown == {"host": "db", "password": "***", "sslpassword": "***"}


@pytest.mark.parametrize("name", conninfo.CHOICES)
def test_libpq_takes_the_same_values(name):
    pq = pytest.importorskip("psycopg", reason="asks psycopg's libpq").pq
    if name not in {option.keyword.decode() for option in pq.Conninfo.get_defaults()}:
        pytest.skip(f"this libpq is older than {name}")

    def refused(value):
        conn = pq.PGconn.connect(f"host=/nowhere sslmode=disable {name}={value}".encode())
        return f'invalid {name} value: "{value}"' in conn.error_message.decode().replace(
            f'"{name}"', name
        )

    assert [value for value in conninfo.CHOICES[name] if refused(value)] == []
    # Of what is no flag it makes a 0, and says nothing.
    assert refused("nonsense") is (conninfo.CHOICES[name] != ("0", "1"))
