"""TLS as libpq negotiates it, through a relay that speaks it in the server's name."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from support import Thread

import multipool_pg8000
from multipool.errors import PoolConfigError
from multipool_pg8000 import OperationalError, connecting, errors
from multipool_pg8000.connection import Connection
from multipool_pg8000.tls import TLS

CERTIFICATE = str(Path(__file__).with_name("localhost.pem"))


class Relay:
    """Answers a request for TLS, encrypts or not, and passes everything on."""

    def __init__(self, server, speaks_tls):
        self._server, self._speaks_tls = server, speaks_tls
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        origin = socket.socket(socket.AF_UNIX)
        self._open.append(origin)
        with contextlib.suppress(OSError, ValueError):  # select's word for a closed socket
            origin.connect(f"{self._server.params['host']}/.s.PGSQL.{self._server.port}")
            first = client.recv(8)
            if first == b"\0\0\0\x08\x04\xd2\x16\x2f":
                client.sendall(b"S" if self._speaks_tls else b"N")
                if self._speaks_tls == "badly":
                    client.recv(1)  # the rest lies unread, for which the system sends a reset
                    client.close()
                    return
                if self._speaks_tls:
                    client = self._context.wrap_socket(client, server_side=True)
                    self._open.append(client)
            else:
                origin.sendall(first)
            self._pass_on(client, origin)

    @staticmethod
    def _pass_on(client, origin):
        """Pass on what either says, in one thread: a TLS socket bears no two at once."""
        other = {client: origin, origin: client}
        while True:
            waiting = isinstance(client, ssl.SSLSocket) and client.pending()
            for source in [client] if waiting else select.select(list(other), [], [])[0]:
                data = source.recv(65536)
                if not data:
                    other[source].shutdown(socket.SHUT_RDWR)
                    return
                other[source].sendall(data)

    def close(self):
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@pytest.fixture
def relay(server, request):
    relay = Relay(server, getattr(request, "param", True))
    yield relay
    relay.close()


@pytest.fixture
def connect(relay, server):
    opened = []

    def connect(**params):
        where = {"host": "localhost", "hostaddr": "127.0.0.1", "port": relay.port}
        opened.append(multipool_pg8000.connect(**{**server.params, **where, **params}))
        return opened[-1]

    yield connect
    for conn in opened:
        conn.close()


@pytest.mark.parametrize(
    ("mode", "encrypted"),
    [("disable", False), ("allow", False), ("prefer", True), ("require", True)],
)
def test_each_mode_encrypts_or_not(connect, mode, encrypted):
    conn = connect(sslmode=mode, autocommit=True)
    assert conn.info.ssl_in_use is encrypted
    assert isinstance(conn.socket, ssl.SSLSocket) is encrypted
    with conn.cursor() as cursor:
        cursor.execute("select repeat('x', 300000), %s", (1,))
        assert len(cursor.fetchone()[0]) == 300000
    assert conn.drain()


@pytest.mark.parametrize("relay", [False], indirect=True)
def test_a_server_without_tls_will_do_unless_it_is_required(connect):
    for mode in ("allow", "prefer"):
        assert not connect(sslmode=mode).info.ssl_in_use
    with pytest.raises(OperationalError, match="does not support TLS"):
        connect(sslmode="require")


@pytest.mark.parametrize(("relay", "logins"), [(True, 2), (False, 1)], indirect=["relay"])
@pytest.mark.parametrize("mode", ["allow", "prefer"])
def test_who_is_refused_tries_again_only_where_tls_makes_a_difference(
    connect, mode, logins, monkeypatch
):
    """Each failed login counts where accounts are locked after some of them."""
    made = []
    monkeypatch.setattr(
        connecting, "Connection", lambda *args, **own: made.append(1) or Connection(*args, **own)
    )
    with pytest.raises(OperationalError, match='role "stranger" does not exist'):
        connect(sslmode=mode, user="stranger")
    assert len(made) == logins


@pytest.mark.parametrize("relay", ["badly"], indirect=True)
def test_a_handshake_that_fails_is_no_end_unless_tls_is_required(connect):
    assert not connect(sslmode="prefer").info.ssl_in_use
    with pytest.raises(OperationalError, match="handshake|EOF"):
        connect(sslmode="require")


def test_a_version_that_the_server_does_not_speak_is_no_end_unless_tls_is_required(connect, relay):
    relay._context.maximum_version = ssl.TLSVersion.TLSv1_2
    versions = {"ssl_min_protocol_version": "TLSv1.3"}
    assert not connect(sslmode="prefer", **versions).info.ssl_in_use
    with pytest.raises(OperationalError):
        connect(sslmode="require", **versions)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_the_systems_certificates_are_refused_where_the_name_is_not_checked(mode):
    with pytest.raises(PoolConfigError, match=f'weak sslmode "{mode}"'):
        TLS.of({"sslmode": mode, "sslrootcert": "system"})
    assert TLS.of({"sslrootcert": "system"}).mode == "verify-full"


def test_the_certificate_is_verified_when_asked_for(connect):
    connect(sslmode="verify-full", sslrootcert=CERTIFICATE)
    connect(sslmode="verify-ca", sslrootcert=CERTIFICATE, host="elsewhere")
    with pytest.raises(OperationalError, match="elsewhere"):
        connect(sslmode="verify-full", sslrootcert=CERTIFICATE, host="elsewhere")
    with pytest.raises(OperationalError, match="certificate verify failed"):
        connect(sslmode="verify-full", sslrootcert="system")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"sslmode": "verify-ca"}, "needs sslrootcert"),
        ({"sslmode": "verify-ca", "sslrootcert": "/nowhere"}, "'/nowhere'"),
        ({"sslmode": "require", "sslcert": "/nowhere"}, "sslcert '/nowhere'"),
    ],
)
def test_a_file_that_is_wrong_is_named(connect, params, says, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(OperationalError, match=says):
        connect(**params)


def test_contexts_are_kept_until_a_file_changes(tmp_path):
    root = tmp_path / "root.crt"
    root.write_text(Path(CERTIFICATE).read_text())
    params = {"sslmode": "verify-ca", "sslrootcert": str(root)}
    first = TLS.of(params).context()
    assert TLS.of(params).context() is first
    import os

    os.utime(root, ns=(1, 1))
    assert TLS.of(params).context() is not first


def test_more_than_any_buffer_holds_is_copied_in_through_tls(connect):
    conn = connect(sslmode="require")
    with conn.cursor() as cursor:
        cursor.execute("create temp table t (x text)")
        for size in (8192, -1):
            cursor.copy_from(io.StringIO(f"{'x' * 99}\n" * 50_000), "t", size=size)
        cursor.execute("select count(*) from t")
        assert cursor.fetchone() == (100_000,)


def test_cancel_goes_encrypted_too(connect):
    conn = connect(sslmode="require")
    thread = Thread(lambda: conn.cursor().execute("select pg_sleep(30)"))
    time.sleep(0.2)
    conn.cancel()
    with pytest.raises(errors.QueryCanceled):
        thread.outcome()
