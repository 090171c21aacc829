"""pg8000 is still what the adapter stands on; if not, these say what has moved."""

from __future__ import annotations

import inspect
import socket
from importlib.metadata import version

import pytest
from pg8000 import core, dbapi

from multipool_pg8000.internals import ATTRIBUTES, METHODS, Link


def test_pg8000_is_of_the_series_whose_internals_were_read():
    assert version("pg8000").startswith("1.31."), (
        f"pg8000 {version('pg8000')}: read its core.py again, then widen pyproject's bound"
    )


@pytest.mark.parametrize("name", METHODS)
def test_the_core_connection_has_the_method_that_is_used(name):
    assert callable(getattr(core.CoreConnection, name, None)), (
        f"pg8000 {version('pg8000')} has no CoreConnection.{name} any more: see internals.py"
    )


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_constructor_sets_the_attribute_that_is_used(name):
    source = inspect.getsource(core.CoreConnection.__init__)
    assert f"self.{name} =" in source, (
        f"pg8000 {version('pg8000')}: CoreConnection.__init__ sets no {name}: see internals.py"
    )


def test_the_constructor_takes_the_arguments_that_are_passed():
    known = inspect.signature(core.CoreConnection.__init__).parameters
    assert {"user", "sock", "password", "ssl_context", "database", "application_name"} <= set(known)
    assert {"replication", "startup_params"} <= set(known)


def test_every_pep_249_class_has_pg8000s_as_a_base():
    import multipool_pg8000

    for name in ("Warning", "Error", "InterfaceError", "DatabaseError", "DataError"):
        assert issubclass(getattr(multipool_pg8000, name), getattr(dbapi, name))
    for name in ("OperationalError", "IntegrityError", "InternalError", "ProgrammingError"):
        assert issubclass(getattr(multipool_pg8000, name), getattr(dbapi, name))


def test_nothing_of_the_login_is_left_on_the_connection(connect):
    conn = connect(password="not needed here")
    assert conn.password is None
    assert conn.message_types == {}
    assert isinstance(conn, Link)


def test_no_timeout_stays_on_the_socket(connect):
    conn = connect(connect_timeout=7)
    assert conn.socket.gettimeout() is None


def test_small_packets_are_sent_at_once_and_dead_peers_noticed(server):
    import multipool_pg8000

    conn = multipool_pg8000.connect(server.tcp_dsn, keepalives_idle=33)
    sock = conn.socket
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 33
    conn.close()
