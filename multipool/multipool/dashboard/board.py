"""The dashboard for somebody who is let in: what `Site` and Django's admin have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from multipool.dashboard import metrics
from multipool.dashboard.document import plain_page, policy
from multipool.dashboard.ending import Wish, question, title
from multipool.dashboard.html import Child, join, tag
from multipool.dashboard.http import Response, redirect
from multipool.dashboard.latest import Latest, Seen
from multipool.dashboard.page import Viewer, page
from multipool.dashboard.suspects import suspects
from multipool.dashboard.verdict import verdict
from multipool.fleet.snapshot import Snapshot

_JSON: Final = "application/json; charset=utf-8"


class Source(Protocol):
    """Where snapshots come from, and who ends sessions."""

    def read(self, *, raw_sql: bool) -> Snapshot:
        """Return the fleet as it is now; with statements as the server has them if *raw_sql*."""
        ...

    def end(self, wish: Wish, by: str) -> bool:
        """Do it if that session still is the one; return whether it was. *by* is for the audit."""
        ...


class Board:
    """Answers requests of which it is known who asks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # Apart, so that raw text is not even in memory unless somebody may see it.
        self._latest = {
            raw_sql: Latest(_reader(source, raw_sql=raw_sql)) for raw_sql in (False, True)
        }

    def page(self, viewer: Viewer) -> Response:
        """Return the page."""
        seen = self._latest[viewer.raw_sql].get()
        return html(200 if seen.snapshot else 503, page(seen, viewer))

    def json(self, viewer: Viewer) -> Response:
        """Return the verdict and the snapshot as JSON."""
        seen = self._latest[viewer.raw_sql].get()
        if seen.snapshot is None:
            return Response(503, json.dumps({"error": seen.error}), _JSON)
        whole = {
            "age": seen.age,
            "error": seen.error,
            "verdict": verdict(seen.snapshot, suspects(seen.snapshot)).as_dict(),
            "snapshot": seen.snapshot.as_dict(),
        }
        return Response(200, json.dumps(whole), _JSON)

    def metrics(self) -> Response:
        """Return the snapshot as Prometheus text."""
        seen = self._latest[False].get()
        if seen.snapshot is None:
            return Response(503, f"{seen.error}\n", "text/plain; charset=utf-8")
        return Response(200, metrics.text(seen.snapshot, seen.age), metrics.CONTENT_TYPE)

    def ask(
        self, viewer: Viewer, query: Mapping[str, str], hidden: Iterable[tuple[str, str]]
    ) -> Response:
        """Return the question whether to end a session; *hidden* are its form's other fields."""
        wish = Wish.of(query)
        if not viewer.may_end:
            return refused("Ending sessions is not allowed here.")
        if wish is None:
            return message(400, "That is no session", "The address names none.")
        seen: Seen = self._latest[False].get()
        backend = wish.find(seen.snapshot) if seen.snapshot else None
        if backend is None:
            return message(404, "That session is over", f"Nobody has pid {wish.pid} since then.")
        return html(200, plain_page(title(wish), question(wish, backend, hidden)))

    def end(self, viewer: Viewer, form: Mapping[str, str]) -> Response:
        """End the session that *form* names, and go back to the page."""
        wish = Wish.of(form)
        if not viewer.may_end:
            return refused("Ending sessions is not allowed here.")
        if wish is None:
            return message(400, "That is no session", "The form names none.")
        try:
            done = self._source.end(wish, viewer.name)
        except Exception as error:
            why = f"{type(error).__name__}: {str(error).strip()}"
            return message(502, "The server would not do it", why)
        if not done:
            told = f"Nobody has pid {wish.pid} since then any more, so nothing was done."
            return message(409, "That session is over", told)
        return redirect("./")


def _reader(source: Source, *, raw_sql: bool) -> Callable[[], Snapshot]:
    return lambda: source.read(raw_sql=raw_sql)


def html(status: int, body: str, *headers: tuple[str, str]) -> Response:
    """Return a page of ours, which may load nothing and be framed by nobody."""
    return Response(status, body, headers=(("Content-Security-Policy", policy()), *headers))


def message(status: int, heading: str, *content: Child) -> Response:
    """Return a page that says one thing and leads back."""
    back = tag("p", tag("a", "To the dashboard", href="./"))
    return html(status, plain_page(heading, tag("p", join(*content)), back))


def refused(why: str) -> Response:
    """Return the page for what one may not."""
    return html(403, plain_page("Not allowed", tag("p", why)))
