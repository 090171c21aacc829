"""Why a connect failed, where there are words alone to tell by."""

import pytest

from multipool.driver import FULL, OUTAGE, REFUSAL
from multipool.failures import judge


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('connection to server at "db", port 5432 failed: Connection refused', OUTAGE),
        ("FATAL:  the database system is starting up", OUTAGE),
        ("FATAL:  terminating connection due to administrator command", OUTAGE),
        ("FATAL:  sorry, too many clients already", FULL),
        ('FATAL:  password authentication failed for user "app"', REFUSAL),
        ('FATAL:  database "timeout expired" does not exist', REFUSAL),
        ("FATAL:  canceling authentication due to timeout expired", REFUSAL),
        # A PgBouncer's, whose own server is away, or refuses.
        ("FATAL:  server login has been failing, try again later (server_login_retry)", OUTAGE),
        ("FATAL:  server conn crashed?", OUTAGE),
        ("FATAL:  server login failed: FATAL password authentication failed", REFUSAL),
        ("FATAL:  server login has been failing, cached error: db does not exist", REFUSAL),
        ("FATAL:  no such database: nowhere", REFUSAL),
        ("FATAL:  no such database: query_wait_timeout", REFUSAL),
        ("db, port 6432 failed: FATAL:  client_login_timeout (server down)", OUTAGE),
        ("FATAL:  query_wait_timeout", OUTAGE),
        ("FATAL:  server shutting down", OUTAGE),
        ("FATAL:  no more connections allowed (max_client_conn)", FULL),
        ("FATAL:  client connections exceeded (max_db_client_connections)", FULL),
        # A Pgpool-II's.
        ("ERROR:  pgpool is not accepting any new connections\nDETAIL:  all backend nodes", OUTAGE),
        ("FATAL:  all backend nodes are down, pgpool requires at least one valid node", OUTAGE),
        ("FATAL:  failed to create a backend connection\nDETAIL:  executing failover", OUTAGE),
        ("FATAL:  Sorry, too many clients already", FULL),
        ("FATAL:  Passwort stimmt nicht", REFUSAL),
        # In the midst of a TLS handshake, by libpq and by Python.
        ('connection to server at "db", port 5432 failed: SSL SYSCALL error: EOF detected', OUTAGE),
        ("SSL error: unexpected eof while reading", OUTAGE),
        ("SSL connection has been closed unexpectedly", OUTAGE),
        ("EOF occurred in violation of protocol (_ssl.c:1006)", OUTAGE),
        ("SSL error: certificate verify failed", REFUSAL),
        # While none of the hosts is promoted, or one is not yet known to have been the primary.
        ('connection to server at "db", port 5432 failed: session is read-only', OUTAGE),
        ("connection failed: server is in hot standby mode", OUTAGE),
        ("connection failed: server is not in hot standby mode", OUTAGE),
        ("failed: session is read-only\n- FATAL:  password authentication failed", REFUSAL),
    ],
)
def test_a_failed_connect_is_judged_by_its_words(message, expected):
    assert judge(None, message) == expected


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("53300", FULL),
        ("57P01", OUTAGE),
        ("57P03", OUTAGE),
        ("57P04", REFUSAL),
        ("08006", OUTAGE),
        ("28P01", REFUSAL),
        ("3D000", REFUSAL),
    ],
)
def test_a_sqlstate_tells_more_than_words(sqlstate, expected):
    assert judge(sqlstate, "connection refused") == expected


@pytest.mark.parametrize("sqlstate", ["08P01", "57000", "58000", "XX000"])
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("FATAL:  all backend nodes are down, pgpool requires at least one valid node", OUTAGE),
        ("FATAL:  client_login_timeout (server down)", OUTAGE),
        ("FATAL:  no more connections allowed (max_client_conn)", FULL),
        ("FATAL:  no such user: app", REFUSAL),
        ("timed out", REFUSAL),  # which somebody has answered
    ],
)
def test_a_poolers_sqlstate_tells_nothing_and_its_words_do(sqlstate, message, expected):
    assert judge(sqlstate, message) == expected
