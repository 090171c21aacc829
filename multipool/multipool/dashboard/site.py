"""The dashboard without Django: who is let in, and which address is which page."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from multipool.dashboard.board import Board, Source, html, message, refused
from multipool.dashboard.document import plain_page
from multipool.dashboard.guard import Guard, csrf_cookie, csrf_token, is_ours
from multipool.dashboard.html import Html, tag
from multipool.dashboard.http import Request, Response, redirect
from multipool.dashboard.page import Viewer

_METHODS: Final = {
    "/": "GET",
    "/snapshot.json": "GET",
    "/metrics": "GET",
    "/end": "GET, POST",
    "/sign-in": "POST",
    "/sign-out": "POST",
}


class Site:
    """Answers a `Request`, however it came."""

    def __init__(self, source: Source, *, token: str | None, may_end: bool, raw_sql: bool) -> None:
        """Show *source* to whoever is on this machine, or has the *token* if there is one.

        Raises `PoolConfigError` for a token that will not do, see `Guard`.
        """
        self._guard = Guard(token)
        self._board = Board(source)
        self._may_end = may_end
        self._raw_sql = raw_sql

    def answer(self, request: Request) -> Response:
        """Return the answer. Nothing of the fleet is in it unless the guard admits."""
        if request.path == "":
            # Relative links need the slash.
            return redirect(f"{quote(request.root)}/")
        methods = _METHODS.get(request.path)
        if methods is None:
            return Response(404, "not found\n", "text/plain; charset=utf-8")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods.split(", "):
            allowed = (("Allow", methods),)
            return Response(405, f"only {methods}\n", "text/plain; charset=utf-8", allowed)
        if method == "POST" and not is_ours(request):
            return message(403, "Not done", "That form was not sent from this dashboard.")
        if request.path == "/sign-in":
            return self._sign_in(request)
        if not self._guard.admits(request):
            return self._keep_out(request)
        return self._inside(request, method)

    def _inside(self, request: Request, method: str) -> Response:
        csrf = csrf_token(request)
        viewer = self._viewer(request, csrf)
        if request.path == "/snapshot.json":
            return self._board.json(viewer)
        if request.path == "/metrics":
            return self._board.metrics()
        if request.path == "/sign-out":
            return redirect("./", self._guard.no_session(request))
        if request.path == "/":
            shown = self._board.page(viewer)
        elif method == "POST":
            return self._board.end(viewer, request.form())
        else:
            shown = self._board.ask(viewer, request.query, [("csrf", csrf)])
        return _with(shown, csrf_cookie(request, csrf))

    def _viewer(self, request: Request, csrf: str) -> Viewer:
        known = "token holder" if self._guard.asks_for_token else "somebody on this machine"
        return Viewer(
            name=f"{known} at {request.peer or 'a unix socket'}",
            may_end=self._may_end,
            raw_sql=self._raw_sql,
            sign_out=_sign_out(csrf) if self._guard.asks_for_token else None,
        )

    def _sign_in(self, request: Request) -> Response:
        if self._guard.knows(request.form().get("token", "")):
            return redirect("./", self._guard.session(request))
        return self._keep_out(request, "That is not the token.")

    def _keep_out(self, request: Request, why: str = "") -> Response:
        if not self._guard.asks_for_token:
            return refused("Without a token, the dashboard serves only the machine it runs on.")
        if request.path in ("/snapshot.json", "/metrics"):
            asks = (("WWW-Authenticate", 'Bearer realm="multipool"'),)
            return Response(401, "a token is needed\n", "text/plain; charset=utf-8", asks)
        csrf = csrf_token(request)
        body = plain_page(
            "Sign in",
            why and tag("p", why, role="alert", class_="bad"),
            tag(
                "form",
                tag("input", type="hidden", name="csrf", value=csrf),
                tag("label", "The dashboard's token", for_="token"),
                tag(
                    "input",
                    type="password",
                    name="token",
                    id="token",
                    autocomplete="current-password",
                    required=True,
                ),
                tag("button", "Sign in", type="submit"),
                method="post",
                action="sign-in",
                class_="sign-in",
            ),
        )
        return html(401, body, csrf_cookie(request, csrf))


def _sign_out(csrf: str) -> Html:
    return tag(
        "form",
        tag("input", type="hidden", name="csrf", value=csrf),
        tag("button", "Sign out", type="submit"),
        method="post",
        action="sign-out",
        class_="inline",
    )


def _with(response: Response, *headers: tuple[str, str]) -> Response:
    return Response(
        response.status, response.body, response.content_type, (*response.headers, *headers)
    )
