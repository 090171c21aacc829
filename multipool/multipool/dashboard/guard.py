"""Who may see the page: whoever is on this machine, or, if a token is set, whoever has it.

The token is sent in a form or as ``Authorization: Bearer``, never in an address, which ends
up in logs and histories. A browser keeps a session in its place, made from the token, so
that any process which knows the token knows the session, and a new token ends all sessions.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import time
from typing import Final

from multipool.dashboard.http import Request, set_cookie
from multipool.errors import PoolConfigError

_SESSION: Final = "multipool_session"
_CSRF: Final = "multipool_csrf"

#: A token against forgery, as we make it.
_MADE: Final = re.compile(r"[\w-]{43}", re.ASCII)

#: A working day, in seconds.
_SESSION_LASTS: Final = 12 * 3600

#: Fewer characters could be guessed by asking.
SHORTEST_TOKEN: Final = 16

#: What a proxy adds: behind one, everybody seems to be on this machine.
_OF_PROXIES: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Guard:
    """Decides on each request."""

    def __init__(self, token: str | None = None) -> None:
        """Take the *token*; without one only this machine is served.

        Raises `PoolConfigError` for a token that could be guessed, or that no header can carry.
        """
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise PoolConfigError(
                f"dashboard: token must have at least {SHORTEST_TOKEN} characters,"
                f" not {len(token)}; secrets.token_urlsafe() makes one"
            )
        # Of others each client makes bytes of its own, and servers strip what they take for spaces.
        if token is not None and not (
            token.isascii() and token.isprintable() and token == token.strip()
        ):
            raise PoolConfigError(
                "dashboard: token must be printable ASCII characters without a space at either"
                " end, since it is sent in a header; secrets.token_urlsafe() makes one"
            )
        self._token = None if token is None else token.encode()
        # A browser sends a cookie to each port of a host, so to a dashboard there with another
        # token as well: by a name of its own neither ends the other's session.
        self._cookie = _SESSION if token is None else f"{_SESSION}_{self._signed('cookie')[:8]}"

    @property
    def asks_for_token(self) -> bool:
        """Whether one can sign in."""
        return self._token is not None

    def admits(self, request: Request) -> bool:
        """Return whether *request* may see data."""
        if self._token is None:
            return _from_this_machine(request)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.knows(given.strip())
        return self._is_session(request.cookie(self._cookie))

    def knows(self, token: str) -> bool:
        """Return whether *token* is ours; takes as long for a near miss as for a far one."""
        return self._token is not None and hmac.compare_digest(token.encode(), self._token)

    def session(self, request: Request) -> tuple[str, str]:
        """Return the header that begins a session."""
        # The wall clock, since other processes and the next start must agree on it.
        ends = f"{int(time.time()) + _SESSION_LASTS:x}"
        value = f"{ends}.{self._signed(f'session {ends}')}"
        return set_cookie(request, self._cookie, value, _SESSION_LASTS)

    def no_session(self, request: Request) -> tuple[str, str]:
        """Return the header that ends a session."""
        return set_cookie(request, self._cookie, "", 0)

    def _is_session(self, value: str) -> bool:
        ends, _, signature = value.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(f"session {ends}").encode()):
            return False
        return int(ends, 16) > time.time()

    def _signed(self, what: str) -> str:
        assert self._token is not None  # noqa: S101 -- there are no sessions without
        return hmac.digest(self._token, f"multipool {what}".encode(), "sha256").hex()


def _from_this_machine(request: Request) -> bool:
    # At a unix socket there is no address, and usually a proxy.
    if request.peer is None or any(name in request.headers for name in _OF_PROXIES):
        return False
    # A page elsewhere can point a name of its own at 127.0.0.1 and have a browser here ask
    # (DNS rebinding); the name stays in the Host.
    host = _without_port(request.headers.get("host", ""))
    return is_loopback(request.peer) and is_loopback(host)


def is_loopback(host: str) -> bool:
    """Return whether *host*, an address or a name, is this machine and nobody else's."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def csrf_token(request: Request) -> str:
    """Return what a form must send back: what the browser has, else something new."""
    kept = request.cookie(_CSRF)
    return kept if _MADE.fullmatch(kept) else secrets.token_urlsafe(32)


def csrf_cookie(request: Request, token: str) -> tuple[str, str]:
    """Return the header that has the browser send *token* beside the form's."""
    return set_cookie(request, _CSRF, token, _SESSION_LASTS)


def is_ours(request: Request) -> bool:
    """Return whether a form was sent from our own page.

    The form and the cookie must say the same ("double submit"), and the browser, if it says
    where the form stood, our own host.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        return False
    kept, sent = request.cookie(_CSRF), request.form().get("csrf", "")
    return bool(kept) and hmac.compare_digest(kept.encode(), sent.encode())
