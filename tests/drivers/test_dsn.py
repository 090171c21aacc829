"""The same DSN means the same with every driver."""

from __future__ import annotations

import pytest

from multipool import Pool, conninfo
from multipool.errors import PoolConfigError
from multipool.testing.server import uri

ASKED = """
    select current_user::text, current_database()::text, current_setting('application_name'),
           current_setting('work_mem'), current_setting('client_encoding')
"""


def answer(driver, dsn):
    params = driver.parse_dsn(dsn)
    driver.check_params(params)
    conn = driver.connect(params, timeout=10)
    try:
        cursor = conn.cursor()
        cursor.execute(ASKED)
        return tuple(cursor.fetchone())
    finally:
        driver.close(conn)


def test_options_encoding_and_application_name_reach_the_server(driver, params):
    dsn = uri(
        {
            **params,
            "application_name": "shop & co",
            "options": "-c work_mem=5MB",
            "client_encoding": "UTF8",
            "connect_timeout": "5",
        }
    )
    user, dbname = params["user"], params["dbname"]
    assert answer(driver, dsn) == (user, dbname, "shop & co", "5MB", "UTF8")


def test_pairs_are_understood_as_a_uri_is(driver, params):
    pairs = " ".join(f"{name} = '{value}'" for name, value in params.items())
    assert answer(driver, pairs) == answer(driver, uri(params))


def test_tcp_and_the_unix_socket_lead_to_the_same_server(driver, server):
    assert answer(driver, server.tcp_dsn) == answer(driver, server.dsn)


def test_of_several_hosts_the_first_that_answers_is_taken(driver, server):
    first = {**server.params, "host": f"/nowhere,{server.home}"}
    first["port"] = f"{server.port},{server.port}"
    assert answer(driver, uri(first)) == answer(driver, server.dsn)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("sslmode", "requird", "disable, allow, prefer, require, verify-ca or verify-full"),
        ("sslmode", "REQUIRE", "disable, allow, prefer, require, verify-ca or verify-full"),
        ("target_session_attrs", "master", "any, read-write, read-only, primary"),
        ("ssl_min_protocol_version", "1.2", "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3"),
        ("connect_timeout", "soon", "a whole number"),
        ("connect_timeout", 2.5, "a whole number"),
        ("keepalives_idle", True, "a whole number"),
    ],
)
def test_a_value_that_libpq_does_not_take_is_refused_at_once(driver, name, value, allowed):
    with pytest.raises(PoolConfigError) as refused:
        Pool({"host": "/nowhere", name: value}, driver=driver, name="shop")
    assert f"pool 'shop': bad connection parameter {name}: must be {allowed}" in str(refused.value)


def test_values_that_libpq_takes_are_taken(driver):
    for value in (None, "", "disable", "verify-full"):
        driver.check_params({"sslmode": value})
    for number in (-1, "+5", " 5 \n"):
        driver.check_params({"connect_timeout": number})
    driver.check_params({"ssl_min_protocol_version": "tlsV1.2"})


@pytest.mark.parametrize("value", [True, "on", "true"])
def test_a_flag_that_libpq_would_read_as_off_is_refused(driver, value):
    with pytest.raises(PoolConfigError, match="sslsni: must be 0 or 1"):
        driver.check_params({"sslsni": value})


def test_a_flag_may_be_off_in_words():
    for value in (False, "off", "no", "False", 0):
        conninfo.check({"sslsni": value, "sslcompression": value})


def test_ssl_that_the_server_does_not_have_is_refused_where_required(driver, server):
    params = conninfo.parse(server.tcp_dsn)
    with pytest.raises(driver.OperationalError, match=r"(?i)ssl"):
        driver.connect({**params, "sslmode": "require"}, timeout=5)
    driver.close(driver.connect({**params, "sslmode": "prefer"}, timeout=5))
