"""The dashboard as a WSGI application."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from multipool.dashboard.http import LARGEST_BODY, Request, Response, fields
from multipool.dashboard.site import Site

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class WSGIDashboard:
    """Serves a `Site` by WSGI (PEP 3333); may be mounted below any path."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = _body(environ)
        if body is None:  # nothing is done by half a form
            text = "text/plain; charset=utf-8"
            response = Response(400, "the body is shorter than its Content-Length\n", text)
        else:
            response = self._site.answer(_request(environ, body))
        status = HTTPStatus(response.status)
        start_response(f"{status.value} {status.phrase}", response.all_headers())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.encoded()]


def _body(environ: WSGIEnvironment) -> bytes | None:
    """Return what was sent, as far as we read it; None if the client left in the midst of it."""
    length = environ.get("CONTENT_LENGTH") or "0"
    wanted = min(int(length), LARGEST_BODY) if length.isdecimal() else 0
    if not wanted:
        return b""
    try:
        body: bytes = environ["wsgi.input"].read(wanted)
    except OSError:  # a reset, or nothing more for as long as the server waits
        return None
    return body if len(body) == wanted else None


def _request(environ: WSGIEnvironment, body: bytes) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        root=environ.get("SCRIPT_NAME", "").rstrip("/"),
        scheme=environ["wsgi.url_scheme"],
        peer=environ.get("REMOTE_ADDR") or None,
        headers=headers,
        query=fields(environ.get("QUERY_STRING", "")),
        body=body,
    )
