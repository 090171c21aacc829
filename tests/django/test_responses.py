"""Connections come back from streamed responses and from requests that were cancelled."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.db import connections
from library import views
from library.models import Author
from support import until

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]

# More than the sockets on the way can hold.
MANY = 300_000

# Of a cycle the collector may end a socket before the connection that would have closed it.
socket_first = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*Socket:pytest.PytestUnraisableExceptionWarning"
)
# Before 6.0 Django leaves the body of a cancelled request to the collector.
body_left_open = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning"
)


def used() -> int:
    number: int = connections["default"].pool.stats().used  # type: ignore[attr-defined]
    return number


def fill(number: int) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "insert into library_author (name) select 'one of many' from generate_series(1, %s)",
            [number],
        )
    connections["default"].close()


# -- streaming -------------------------------------------------------------------------------


def test_a_streamed_response_keeps_its_connection_until_its_end_and_no_longer(site: Get) -> None:
    fill(1000)
    address = site.address  # type: ignore[attr-defined]
    with socket.create_connection(address) as client, client.makefile("rb") as answer:
        client.sendall(b"GET /stream/ HTTP/1.0\r\n\r\n")
        body = answer.read().partition(b"\r\n\r\n")[2]
    assert len(body.splitlines()) == 1000
    until(lambda: used() == 0)


def test_a_client_that_leaves_in_the_midst_of_a_stream_takes_no_connection_along(
    site: Get,
) -> None:
    fill(MANY)
    address = site.address  # type: ignore[attr-defined]
    with socket.create_connection(address) as client:
        client.sendall(b"GET /stream/ HTTP/1.0\r\n\r\n")
        assert client.recv(100)
        until(lambda: used() == 1)
    until(lambda: used() == 0)


# -- ASGI ------------------------------------------------------------------------------------


@pytest.fixture
def one(library: Any, make_alias: MakeAlias) -> Iterator[Any]:
    """An alias with one connection."""
    library.close()
    library.close_pool()
    yield make_alias(OPTIONS={"pool": {"max_size": 1, "timeout": 5}})
    gc.collect()  # so that what a cancelled request has left is seen here and not later


def call(path: str) -> ApplicationCommunicator:
    """Return a call of the site's ASGI application, yet to be made."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
    }
    return ApplicationCommunicator(get_asgi_application(), scope)


async def status_of(path: str) -> int:
    request = call(path)
    await request.send_input({"type": "http.request"})
    status: int = (await request.receive_output(10))["status"]
    await request.receive_output(10)
    await request.wait(10)
    return status


def test_asgi_requests_give_their_connection_back(one: Any) -> None:
    async def play() -> list[int]:
        return [await status_of("/async/") for _ in range(5)]

    assert asyncio.run(play()) == [200] * 5
    assert used() == 0


@socket_first
@body_left_open
@pytest.mark.parametrize("how", ["the client leaves", "the server cancels"])
@pytest.mark.parametrize("path", ["/waiting/", "/waiting/in/a/query/"])
def test_a_cancelled_request_keeps_no_connection_from_the_next(
    one: Any, path: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> int:
        views.reached.clear()
        request = call(path)
        await request.send_input({"type": "http.request"})
        while not views.reached.is_set():
            await asyncio.sleep(0.01)
        if how == "the client leaves":
            await request.send_input({"type": "http.disconnect"})
            await request.wait(10)
        else:
            request.future.cancel()
            await asyncio.wait([request.future], timeout=10)
        return await status_of("/async/")

    assert asyncio.run(play()) == 200
    until(lambda: used() == 0)
    assert one.pool.stats().size <= 1
    assert Author.objects.filter(name="cancelled").count() == 0
    caplog.clear()  # what is logged of a cancelled task keeps its frames
