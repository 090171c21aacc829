"""The dashboard as a WSGI application."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from multipool.dashboard.http import LARGEST_BODY, Request, fields
from multipool.dashboard.site import Site

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class WSGIDashboard:
    """Serves a `Site` by WSGI (PEP 3333); may be mounted below any path."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = self._site.answer(_request(environ))
        status = HTTPStatus(response.status)
        start_response(f"{status.value} {status.phrase}", response.all_headers())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.encoded()]


def _request(environ: WSGIEnvironment) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    length = environ.get("CONTENT_LENGTH") or "0"
    size = int(length) if length.isdecimal() else 0
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        root=environ.get("SCRIPT_NAME", "").rstrip("/"),
        scheme=environ["wsgi.url_scheme"],
        peer=environ.get("REMOTE_ADDR") or None,
        headers=headers,
        query=fields(environ.get("QUERY_STRING", "")),
        body=environ["wsgi.input"].read(min(size, LARGEST_BODY)) if size else b"",
    )
