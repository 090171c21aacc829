"""Connections of the pg8000 adapter to the scratch database."""

from __future__ import annotations

import pytest

import multipool_pg8000


@pytest.fixture
def connect(dsn):
    """Open connections that are closed at the test's end."""
    opened = []

    def connect(**params):
        opened.append(multipool_pg8000.connect(dsn, **params))
        return opened[-1]

    yield connect
    for conn in opened:
        conn.close()


@pytest.fixture
def conn(connect):
    return connect()


@pytest.fixture
def auto(connect):
    """A connection in autocommit."""
    return connect(autocommit=True)


@pytest.fixture(params=["on", "off"])
def either_strings(auto, request):
    """A connection with ``standard_conforming_strings`` on, and then off."""
    with auto.cursor() as cursor:
        # The warnings about backslashes in plain literals would only be noise here.
        cursor.execute(f"set standard_conforming_strings to {request.param}")
    return auto
