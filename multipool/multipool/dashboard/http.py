"""What the page needs of HTTP: a request and a response, whoever brought them.

`wsgi` and `asgi` translate; a Django view could as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

#: The largest form that is read, in bytes; ours are far smaller.
LARGEST_BODY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    method: str
    #: Below where the application is mounted: ``/`` is the page.
    path: str
    #: Where it is mounted, without a slash at the end.
    root: str
    #: ``http`` or ``https``.
    scheme: str
    #: The address of who is on the other end of the connection; None at a unix socket.
    peer: str | None
    #: By name in lower case.
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    def cookie(self, name: str) -> str:
        """Return the cookie *name* as it was sent, or an empty string."""
        # Not by `SimpleCookie`, which drops all of them if one is not as it should be, and whoever
        # shares our name may have set that.
        pairs = (one.partition("=") for one in self.headers.get("cookie", "").split(";"))
        return {key.strip(): value.strip() for key, _, value in pairs}.get(name, "")

    def form(self) -> dict[str, str]:
        """Return the fields of a form that was sent."""
        return fields(self.body.decode("utf-8", "replace"))


def fields(text: str) -> dict[str, str]:
    """Return the last value of each name in a query string."""
    try:
        return dict(parse_qsl(text, max_num_fields=50))
    except ValueError:
        return {}


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: str
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        """Return the body as bytes."""
        return self.body.encode("utf-8", "replace")

    def all_headers(self) -> list[tuple[str, str]]:
        """Return every header, with those that keep a page of this kind private."""
        return [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.encoded()))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            # Not "no-referrer", with which browsers send forms with the Origin "null".
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            *self.headers,
        ]


def redirect(where: str, *headers: tuple[str, str]) -> Response:
    """Return the answer that sends a browser to *where* by GET."""
    return Response(303, "", "text/plain; charset=utf-8", (("Location", where), *headers))


def set_cookie(request: Request, name: str, value: str, seconds: int) -> tuple[str, str]:
    """Return the header that keeps a cookie for the dashboard alone, out of scripts' reach."""
    secure = "; Secure" if request.scheme == "https" else ""
    where = f"Path={request.root or '/'}; Max-Age={seconds}"
    return "Set-Cookie", f"{name}={value}; {where}; HttpOnly; SameSite=Strict{secure}"
