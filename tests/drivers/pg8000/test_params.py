"""libpq's parameters: what they become, where they come from, and what is refused."""

from __future__ import annotations

import gc
import socket
import time
import weakref
from contextlib import suppress

import pytest
from support import Thread

import multipool_pg8000
from multipool.driver import OUTAGE
from multipool.errors import PoolConfigError
from multipool_pg8000 import Cursor, OperationalError, driver
from multipool_pg8000.params import check, settings


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch, tmp_path):
    """Neither the environment nor the home directory of whoever runs the tests counts."""
    import os

    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_without_a_word_the_system_user_goes_to_the_local_server(monkeypatch):
    monkeypatch.setenv("LOGNAME", "jane")
    found = settings({})
    assert (found.user, found.dbname) == ("jane", "jane")
    (host,) = found.hosts
    assert host.port == 5432
    assert host.name == "localhost" or host.unix_socket


def test_the_database_is_called_like_the_user_unless_told():
    assert settings({"user": "app"}).dbname == "app"
    assert settings({"user": "app", "dbname": "shop"}).startup["database"] == "shop"


def test_hosts_addresses_and_ports_go_together():
    found = settings({"user": "u", "host": "a,/run,@abstract", "port": "1,,3"})
    assert [(host.name, host.port) for host in found.hosts] == [
        ("a", 1),
        ("/run", 5432),
        ("@abstract", 3),
    ]
    assert [host.unix_socket for host in found.hosts] == [
        None,
        "/run/.s.PGSQL.5432",
        "\0abstract/.s.PGSQL.3",
    ]
    (one,) = settings({"host": "name", "hostaddr": "127.0.0.1", "port": 7}).hosts
    assert (one.name, one.address, one.port) == ("name", "127.0.0.1", 7)


@pytest.mark.parametrize(
    "params",
    [{"host": "a,b", "port": "1,2,3"}, {"host": "a,b", "hostaddr": "127.0.0.1"}],
)
def test_counts_that_do_not_match_are_refused(params):
    with pytest.raises(PoolConfigError, match="values"):
        settings(params)


def test_what_was_given_comes_before_the_service_and_that_before_the_environment(
    monkeypatch, tmp_path
):
    services = tmp_path / ".pg_service.conf"
    services.write_text("# ours\n[other]\nhost=no\n[mine]\nhost = db\nport=7\n\n[mine]\nport=8\n")
    monkeypatch.setenv("PGPORT", "6")
    monkeypatch.setenv("PGUSER", "env")
    monkeypatch.setenv("PGAPPNAME", "app")
    monkeypatch.setenv("PGTZ", "UTC")
    found = settings({"service": "mine", "dbname": "shop"})
    assert [(host.name, host.port) for host in found.hosts] == [("db", 7)]
    assert (found.user, found.dbname) == ("env", "shop")
    assert found.startup["application_name"] == "app"
    assert found.startup["timezone"] == "UTC"
    assert settings({"service": "mine", "port": 9}).hosts[0].port == 9


def test_revocations_that_the_environment_asks_for_are_refused_as_the_parameter_is(monkeypatch):
    monkeypatch.setenv("PGSSLCRLDIR", "/etc/ssl/revoked")
    with pytest.raises(PoolConfigError, match="sslcrldir is not supported by pg8000"):
        settings({"user": "u"})


@pytest.mark.parametrize(("params", "mode"), [({}, "require"), ({"sslmode": "disable"}, "disable")])
def test_tls_may_be_required_by_libpqs_variable_of_long_ago(monkeypatch, params, mode):
    monkeypatch.setenv("PGREQUIRESSL", "1")
    assert settings({"user": "u", **params}).tls.mode == mode
    monkeypatch.setenv("PGSSLMODE", "allow")
    assert settings({"user": "u"}).tls.mode == "allow"


@pytest.mark.parametrize(
    ("style", "startup"),
    [("German", "ISO"), ("SQL, DMY", "ISO, DMY"), ("ISO,European", "ISO, European"), ("", "ISO")],
)
def test_dates_come_as_they_are_read_whatever_the_environment_says(monkeypatch, style, startup):
    monkeypatch.setenv("PGDATESTYLE", style)
    assert settings({"user": "u"}).startup["datestyle"] == startup


def test_what_a_service_leaves_empty_is_libpqs_default(monkeypatch, tmp_path):
    services = tmp_path / "services"
    names = ("ssl_min_protocol_version", "connect_timeout", "sslmode", "port")
    services.write_text("[mine]\n" + "".join(f"{name}=\n" for name in names))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    found = settings({"service": "mine"})
    assert (found.tls.minimum, found.tls.mode) == ("TLSv1.2", "prefer")
    assert (found.connect_timeout, found.hosts[0].port) == (None, 5432)


def test_a_service_that_is_not_there_is_named(monkeypatch, tmp_path):
    with pytest.raises(PoolConfigError, match="service 'nope' is in none of"):
        settings({"service": "nope"})
    other = tmp_path / "services"
    other.write_text("[mine]\nport\n")
    monkeypatch.setenv("PGSERVICEFILE", str(other))
    with pytest.raises(PoolConfigError, match="line 2"):
        settings({"service": "mine"})


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"hots": "x"}, "unknown connection parameter 'hots'.*did you mean 'host'"),
        ({"sslmode": "on"}, "sslmode: must be disable, allow.* or verify-full"),
        ({"connect_timeout": "soon"}, "connect_timeout: must be a whole number"),
        ({"port": "no"}, "port"),
        ({"gssencmode": "require"}, "gssencmode: must be disable or prefer with pg8000"),
        ({"channel_binding": "require"}, "channel_binding"),
        ({"require_auth": "scram-sha-256"}, "require_auth is not supported by pg8000"),
        ({"krbsrvname": "x"}, "krbsrvname is not supported"),
        ({"target_session_attrs": "master"}, "target_session_attrs: must be any"),
        ({"ssl_min_protocol_version": "SSLv3"}, "ssl_min_protocol_version: must be TLSv1,"),
        ({"client_encoding": "klingon"}, "client_encoding"),
        ({"binding": "both"}, "binding: must be server or client"),
        ({"cursor_factory": dict}, "cursor_factory: must be a subclass"),
        ({"autocommit": "yes"}, "autocommit: must be True or False"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(params, says):
    with pytest.raises(PoolConfigError, match=says):
        driver.check_params({"password": "s3cret", **params})


def test_libpqs_defaults_may_be_spelled_out():
    check({"gssencmode": "prefer", "sslsni": 1, "cursor_factory": Cursor, "options": None})


def test_no_repr_shows_the_password():
    found = settings({"password": "s3cret", "sslpassword": "s3cret"})
    assert "s3cret" not in repr(found)


# -- the password file ---------------------------------------------------------------------


@pytest.fixture
def passfile(tmp_path):
    path = tmp_path / ".pgpass"
    path.write_text(
        "# a comment\n"
        "other:*:*:*:wrong\n"
        r"db:5432:sh\:op:\*:starred" + "\n"
        r"db:5432:sh\:op:ja\\ne:pass\:word" + "\n"
        "*:*:*:*:any\n"
    )
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("host", "dbname", "user", "found"),
    [
        ("db", "sh:op", "ja\\ne", "pass:word"),
        ("db", "sh:op", "*", "starred"),
        ("db", "sh:op", "jane", "any"),
        ("else", "x", "y", "any"),
    ],
)
def test_the_first_line_that_matches_gives_the_password(passfile, host, dbname, user, found):
    from multipool_pg8000.files import password

    assert password(passfile, host, 5432, dbname, user) == found


def test_a_password_file_that_others_can_read_is_not_used(passfile, tmp_path):
    from multipool_pg8000.files import password

    (tmp_path / ".pgpass").chmod(0o640)
    with pytest.warns(UserWarning, match="others may read it"):
        assert password(passfile, "db", 5432, "x", "y") is None


def test_without_a_file_there_is_no_password(tmp_path):
    from multipool_pg8000.files import password

    assert password(str(tmp_path / "none"), "db", 5432, "x", "y") is None


# -- the session that comes of it ------------------------------------------------------------


def test_options_and_names_reach_the_server(connect):
    conn = connect(options="-c statement_timeout=1234", application_name="näme", autocommit=True)
    with conn.cursor() as cursor:
        cursor.execute("show statement_timeout")
        assert cursor.fetchone() == ("1234ms",)
    assert conn.info.options == "-c statement_timeout=1234"
    assert conn.info.parameter_status("application_name")


def test_the_first_host_that_answers_is_taken(server, tmp_path):
    params = {**server.params, "host": f"{tmp_path},{server.params['host']}"}
    conn = multipool_pg8000.connect(**params)
    assert conn.info.host == server.params["host"]
    conn.close()


def test_every_host_that_failed_is_told_of(tmp_path):
    with pytest.raises(OperationalError) as caught:
        multipool_pg8000.connect(host=f"{tmp_path}/one,{tmp_path}/two", user="u")
    assert str(caught.value).count("failed: ") == 2


@pytest.mark.parametrize(
    ("wanted", "is_there"),
    [
        ("any", True),
        ("read-write", True),
        ("primary", True),
        ("prefer-standby", True),
        ("read-only", False),
        ("standby", False),
    ],
)
def test_the_kind_of_server_that_was_asked_for_is_looked_at(server, wanted, is_there):
    params = {**server.params, "target_session_attrs": wanted}
    if is_there:
        multipool_pg8000.connect(**params).close()
    else:
        with pytest.raises(OperationalError, match=f"target_session_attrs={wanted}"):
            multipool_pg8000.connect(**params)


def test_a_failed_attempt_before_the_good_one_keeps_nothing_alive(server, tmp_path):
    params = {**server.params, "host": f"{tmp_path},{server.params['host']}"}

    class Witness:
        pass

    def use():
        witness = Witness()
        conn = multipool_pg8000.connect(**params, target_session_attrs="prefer-standby")
        conn.close()
        return weakref.ref(witness)

    gc.disable()
    try:
        assert use()() is None
    finally:
        gc.enable()


def test_a_server_that_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        params = {"host": "127.0.0.1", "port": port, "user": "u", "sslmode": "disable"}
        with pytest.raises(OperationalError, match="timed out"):
            driver.connect(params, timeout=0.2)


def test_the_time_to_connect_in_is_shared_by_all_steps():
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def agree_and_fall_silent():
            client, _ = slow.accept()
            with client:
                client.recv(8)
                time.sleep(0.4)
                client.sendall(b"S")
                while client.recv(65536):
                    pass

        thread = Thread(agree_and_fall_silent)
        port = slow.getsockname()[1]
        params = {"host": "127.0.0.1", "port": port, "user": "u", "sslmode": "require"}
        began = time.monotonic()
        with pytest.raises(OperationalError, match="timed out"):
            driver.connect(params, timeout=0.5)
        assert time.monotonic() - began < 0.8
        thread.outcome()


def test_of_several_hosts_a_silent_one_leaves_time_for_the_next(server):
    there = server.tcp_params
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = f"{silent.getsockname()[1]},{there['port']}"
        params = {**there, "host": "127.0.0.1,127.0.0.1", "port": ports, "sslmode": "disable"}
        conn = driver.connect(params, timeout=3)
    assert conn.info.port == int(there["port"])
    conn.close()


@pytest.mark.parametrize("limit", [{"timeout": 3}, {"timeout": None, "connect_timeout": 1}])
def test_of_a_hosts_addresses_a_silent_one_leaves_time_for_the_next(server, monkeypatch, limit):
    there = server.tcp_params
    with socket.create_server(("127.0.0.1", 0)) as silent:
        targets = [silent.getsockname(), ("127.0.0.1", int(there["port"]))]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", target) for target in targets]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        timeout, *_ = limit.values()
        params = {**there, "sslmode": "disable", **limit}
        params.pop("timeout")
        conn = driver.connect(params, timeout=timeout)
    conn.close()


def test_info_knows_the_connection(conn, params):
    info = conn.info
    assert info.dbname == params["dbname"]
    assert (info.host, info.port) == (params["host"], int(params.get("port", 5432)))
    assert info.user == params["user"]
    assert info.server_version >= 140000
    assert (info.encoding, conn.encoding) == ("utf-8", "UTF8")
    assert info.backend_pid == conn.get_backend_pid() > 0
    assert info.timezone
    assert not info.ssl_in_use
    assert info.transaction_status == 0


def test_the_client_encoding_can_be_changed(auto):
    auto.set_client_encoding("latin-1")
    with auto.cursor() as cursor:
        cursor.execute("select %s, array['é'], length('é')", ("é",))
        assert cursor.fetchone() == ("é", ["é"], 1)
    assert (auto.encoding, auto.codec) == ("LATIN1", "iso8859-1")
    with pytest.raises(multipool_pg8000.ProgrammingError, match="'nonsense'"):
        auto.set_client_encoding("nonsense")


@pytest.mark.parametrize("wanted", ["any", "read-write"])
def test_a_server_that_says_a_little_now_and_then_is_given_up_in_time(wanted):
    """A socket's timeout begins anew with each piece."""
    let_in = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I" if wanted != "any" else b""
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def trickle():
            client, _ = slow.accept()
            with client, suppress(OSError):
                client.recv(65536)
                client.sendall(let_in)
                for byte in b"N\0\0\x10\0" + bytes(25):
                    client.sendall(bytes([byte]))
                    time.sleep(0.1)

        thread = Thread(trickle)
        port = slow.getsockname()[1]
        params = {"host": "127.0.0.1", "port": port, "user": "u", "sslmode": "disable"}
        began = time.monotonic()
        with pytest.raises(OperationalError, match="timed out|timeout expired") as caught:
            driver.connect({**params, "target_session_attrs": wanted}, timeout=0.5)
        assert time.monotonic() - began < 2.5  # as long as it talks it is 3
        assert driver.failure(caught.value) == OUTAGE
        thread.outcome()
