"""Who blocks whom: trees of sessions that wait for locks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from multipool.dashboard.ending import Offer
from multipool.dashboard.frames import shown
from multipool.dashboard.html import Html, join, tag
from multipool.dashboard.sections.suspects import text_of
from multipool.dashboard.suspects import below
from multipool.dashboard.table import more, statement
from multipool.dashboard.words import count, duration
from multipool.fleet.snapshot import Backend, Blocked, Holder, Snapshot

#: Sessions that are drawn in all, and of those that wait for one session before a fold.
_DRAWN: Final = 150
_CHILDREN: Final = 6


def draw(snapshot: Snapshot, offer: Offer) -> Html:
    """Return the trees, those that keep most others waiting first."""
    trees = snapshot.blocking
    if not trees:
        nobody = tag("p", "No session waits for a lock.", class_="muted")
        return join(tag("h2", "Who blocks whom"), nobody)
    waiting: set[int] = set().union(*map(below, trees))
    figures = f"{count(len(waiting), 'session waits', 'sessions wait')} for a lock"
    return join(
        tag("h2", "Who blocks whom ", tag("small", figures)),
        _Drawer(snapshot, offer).forest(trees),
    )


class _Drawer:
    """Draws up to `_DRAWN` sessions; the same one may stand in several trees."""

    def __init__(self, snapshot: Snapshot, offer: Offer) -> None:
        self._backends = {backend.pid: backend for backend in snapshot.backends}
        self._holders = {one.backend: one for one in snapshot.holders if one.backend is not None}
        self._offer = offer
        self._left = _DRAWN

    def forest(self, roots: tuple[Blocked, ...]) -> Html:
        return tag("ul", self._items(roots, "root"), class_="tree")

    def _items(self, nodes: tuple[Blocked, ...], path: str) -> Iterator[Html]:
        for node in nodes:
            if self._left <= 0:
                yield tag("li", "and others", class_="muted small")
                return
            self._left -= 1
            yield tag("li", self._session(node, path == "root"), self._beneath(node, path))

    def _beneath(self, node: Blocked, path: str) -> Html | None:
        if not node.blocks:
            return None
        identity = f"{path}-{node.pid}"
        first, rest = node.blocks[:_CHILDREN], node.blocks[_CHILDREN:]
        drawn = tag("ul", self._items(first, identity))
        if not rest:
            return drawn
        return join(
            drawn,
            more(
                f"blocked-{identity}",
                f"{count(len(rest), 'more session')} behind pid {node.pid}",
                tag("ul", self._items(rest, f"{identity}-rest")),
            ),
        )

    def _session(self, node: Blocked, root: bool) -> Html:
        backend, holder = self._backends.get(node.pid), self._holders.get(node.pid)
        waited = duration(node.seconds)
        kept = len(below(node))
        facts = [
            tag("strong", f"pid {node.pid}"),
            tag("span", _whose(backend)),
            tag("span", f"in a transaction for {waited}" if root else f"waits for {waited}"),
            tag("span", f"blocks {kept:,}", class_="badge bad") if kept else None,
            tag("span", _state(backend), class_="muted"),
            self._offer.links(backend),
        ]
        return tag(
            "div",
            tag("div", facts, class_="facts"),
            _place(holder),
            tag("span", statement(text_of(holder, backend)), class_="statement"),
            class_="backend",
        )


def _whose(backend: Backend | None) -> str:
    if backend is None:
        return "a session that may not be seen"
    return f"{backend.application or 'no application name'}, {backend.user}@{backend.database}"


def _state(backend: Backend | None) -> str:
    if backend is None:
        return ""
    event = backend.wait_event or ""
    # That it waits for its client its state says already.
    on = f", waits on {event}" if event and not event.startswith("Client:") else ""
    return f"{backend.state or 'state not known'}{on}"


def _place(holder: Holder | None) -> Html | None:
    stack = (holder.query_at or holder.checked_out_at) if holder else ()
    return tag("span", shown(stack[0]), class_="place small") if stack else None
