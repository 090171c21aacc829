"""The dashboard as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from multipool.dashboard.http import LARGEST_BODY, Request, fields
from multipool.dashboard.site import Site

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class ASGIDashboard:
    """Serves a `Site` by ASGI 3; asks the server in a thread, since the drivers block.

    The threads are its own: a server that does not answer takes none of the application's. One
    may read while the other shows what was before.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="multipool-dashboard")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the dashboard speaks http, not {scope['type']}")
        body = await _body(receive)
        if body is None:
            return
        request = _request(scope, body)
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._site.answer, request)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in response.all_headers()
                ],
            }
        )
        body = b"" if scope["method"] == "HEAD" else response.encoded()
        await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    """Say yes to start and stop: there is nothing to do at either."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _body(receive: Receive) -> bytes | None:
    """Return what was sent, as far as we read it; None if the client left in the midst of it."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > LARGEST_BODY:
            return bytes(body[:LARGEST_BODY])


def _request(scope: Message, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for name, value in ((name.decode("latin-1"), value) for name, value in scope["headers"]):
        # HTTP/2 may send each cookie by itself.
        before = f"{headers[name]}; " if name == "cookie" and name in headers else ""
        headers[name] = before + value.decode("latin-1")
    client = scope.get("client")
    root = scope.get("root_path", "").rstrip("/")
    return Request(
        method=scope["method"],
        # By the specification the path holds the root_path; not every server agrees.
        path=scope["path"].removeprefix(root),
        root=root,
        scheme=scope.get("scheme", "http"),
        peer=client[0] if client else None,
        headers=headers,
        query=fields(scope.get("query_string", b"").decode("latin-1")),
        body=body,
    )
