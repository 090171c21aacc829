"""The page, from top to bottom in the order of the questions asked at 3 a.m."""

from __future__ import annotations

from dataclasses import dataclass

from multipool.dashboard.document import brand, document
from multipool.dashboard.ending import Offer
from multipool.dashboard.history import History
from multipool.dashboard.html import Html, join, tag
from multipool.dashboard.latest import Seen
from multipool.dashboard.sections import (
    blocking,
    budget,
    fresh,
    headline,
    pools,
    processes,
    queries,
    suspects,
    usage,
)
from multipool.dashboard.suspects import Suspect
from multipool.dashboard.suspects import suspects as find_suspects
from multipool.dashboard.verdict import Finding, Verdict, verdict
from multipool.fleet.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and what they may."""

    #: For the audit line.
    name: str
    #: End sessions and cancel queries.
    may_end: bool = False
    #: See statements with their literals, as the server has them.
    raw_sql: bool = False
    #: An address to go back to, and what is there.
    back: tuple[str, str] | None = None
    #: The form that signs out, if one signed in.
    sign_out: Html | None = None


def page(seen: Seen, viewer: Viewer) -> str:
    """Return the whole page."""
    accused = find_suspects(seen.snapshot) if seen.snapshot else []
    found = verdict(seen.snapshot, accused) if seen.snapshot else _unread(seen)
    where = seen.snapshot.database if seen.snapshot else "fleet"
    return document(
        f"{found.name}: {where} · multipool",
        tag("a", "Skip to the verdict", href="#verdict", class_="skip unseen"),
        _header(seen, viewer),
        tag(
            "main",
            headline.draw(found),
            tag("div", _notices(seen), id="notices", data_part=True),
            _sections(seen.snapshot, accused, seen.history, viewer) if seen.snapshot else None,
        ),
        _footer(seen.snapshot),
        refreshed=True,
    )


def _unread(seen: Seen) -> Verdict:
    why = f"the server could not be read: {seen.error}"
    return Verdict("none", (Finding("none", "fleet", why),))


def _header(seen: Seen, viewer: Viewer) -> Html:
    label = viewer.back and f"← {viewer.back[1]}"
    return tag(
        "header",
        tag("h1", brand()),
        tag("p", fresh.draw(seen), id="fresh", class_="small", data_part=True),
        tag(
            "nav",
            label and tag("a", label, href=viewer.back and viewer.back[0], class_="small"),
            tag("a", "Refresh", href="./", class_="button"),
            # Only a script can be paused: it shows this itself.
            tag("button", "Pause", type="button", id="pause", hidden=True),
            viewer.sign_out,
            aria_label="Page",
        ),
        tag("p", id="trouble", role="status", class_="small watch"),
    )


def _notices(seen: Seen) -> list[Html]:
    notes = list(seen.snapshot.notes) if seen.snapshot else []
    if seen.error and seen.snapshot:
        notes.insert(0, f"The server could not be read again, this is the last known: {seen.error}")
    return [tag("p", note, class_="notice small") for note in notes]


def _sections(snapshot: Snapshot, accused: list[Suspect], history: History, viewer: Viewer) -> Html:
    offer = Offer(viewer.may_end)
    backends = {backend.pid: backend for backend in snapshot.backends}
    drawn = {
        "suspects": suspects.draw(accused, backends, offer),
        "budget": budget.draw(snapshot.budget, snapshot.budgets),
        "pools": pools.draw(snapshot, history),
        "blocking": blocking.draw(snapshot, offer),
        "queries": queries.draw(snapshot),
        # Of Django's alone, so a fleet without one has no such part.
        **({"usage": usage.draw(snapshot)} if snapshot.usage else {}),
        "processes": processes.draw(snapshot),
    }
    if not snapshot.processes:
        drawn = {"budget": drawn["budget"], "begin": _how_to_begin()}
    return join(tag("section", part, id=name, data_part=True) for name, part in drawn.items())


def _how_to_begin() -> Html:
    return join(
        tag("h2", "How processes come to stand here"),
        tag(
            "p",
            "A pool made with ",
            tag("code", "fleet=True"),
            ", in Django ",
            tag("code", 'OPTIONS["pool"]["fleet"] = True'),
            ", reports here every ten seconds, once ",
            tag("code", "multipool fleet install"),
            " has made the tables.",
        ),
    )


def _footer(snapshot: Snapshot | None) -> Html:
    about = (
        f"{snapshot.database} on PostgreSQL {snapshot.server_version}, read in"
        f" {snapshot.took * 1000:.0f} ms."
        if snapshot
        else ""
    )
    return tag(
        "footer",
        tag("p", about, class_="muted small", id="about", data_part=True),
        tag(
            "p",
            "The same as ",
            tag("a", "JSON", href="snapshot.json"),
            " and for ",
            tag("a", "Prometheus", href="metrics"),
            ".",
            class_="muted small",
        ),
    )
