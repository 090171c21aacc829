"""Who holds connections for long, line of code by line of code, with the stacks."""

from __future__ import annotations

from typing import Final

from multipool.dashboard.drawing import bar
from multipool.dashboard.ending import Offer
from multipool.dashboard.frames import shown
from multipool.dashboard.html import Child, Html, join, tag
from multipool.dashboard.suspects import Suspect
from multipool.dashboard.table import more, statement, table
from multipool.dashboard.words import count, duration, of
from multipool.fleet.snapshot import Backend, Holder, Stack

#: Suspects that are listed, those of them that are open, and connections of each.
_SHOWN: Final = 10
_OPEN: Final = 1
_CONNECTIONS: Final = 15
#: A stack that is longer says no more, at the top of a page.
_FRAMES: Final = 8


def draw(suspects: list[Suspect], backends: dict[int, Backend], offer: Offer) -> Html:
    """Return them all, the gravest open."""
    held = sum(len(suspect.holders) for suspect in suspects)
    if not suspects:
        nobody = "Nobody holds a connection for long, or stays idle in a transaction."
        return join(tag("h2", "Suspects"), tag("p", nobody, class_="muted"))
    figures = f"{count(held, 'connection')} held from {count(len(suspects), 'line')} of code"
    left = len(suspects) - _SHOWN
    return join(
        tag("h2", "Suspects ", tag("small", figures)),
        [
            _suspect(place, suspect, backends, offer)
            for place, suspect in enumerate(suspects[:_SHOWN])
        ],
        left > 0 and tag("p", f"{count(left, 'more line')} with less.", class_="muted small"),
    )


def _suspect(place: int, suspect: Suspect, backends: dict[int, Backend], offer: Offer) -> Html:
    holder = suspect.holders[0]
    facts = [f"held for up to {duration(suspect.longest)}"]
    if suspect.idle:
        facts.append(
            f"{len(suspect.idle):,} idle in transaction, up to {duration(suspect.idle[0])}"
        )
    if suspect.keeps_waiting:
        facts.append(f"{count(suspect.keeps_waiting, 'session')} blocked")
    return tag(
        "details",
        tag(
            "summary",
            _share(suspect),
            tag(
                "span",
                tag(
                    "span",
                    shown(suspect.site) if suspect.site else "Line of code not known",
                    class_="site",
                ),
                tag("span", f"{suspect.app}: {', '.join(facts)}", class_="what small"),
                class_="where",
            ),
        ),
        _last(holder, backends),
        tag(
            "div",
            _stack("Checked out at", holder.checked_out_at, "Not known"),
            _stack("Last query at", holder.query_at, "No query yet, or not known"),
            _stack("Now doing", holder.doing, "Not known"),
            class_="stacks",
        ),
        more(
            f"suspect-{place}-connections",
            _title(suspect),
            _connections(place, suspect, backends, offer),
        ),
        class_="suspect",
        id=f"suspect-{place}",
        open=place < _OPEN,
    )


def _share(suspect: Suspect) -> Html:
    number = len(suspect.holders)
    lent = max(suspect.lent, number)
    said = of(number, lent)
    return tag("span", said, bar([("used", number)], lent, f"{said} lent"), class_="share")


def _last(holder: Holder, backends: dict[int, Backend]) -> Html:
    return tag(
        "p",
        tag("span", "Last statement of the longest: ", class_="muted"),
        statement(text_of(holder, backends.get(holder.backend or 0))),
        class_="last small",
    )


def text_of(holder: Holder | None, backend: Backend | None) -> str | None:
    """Return the last statement: as the server has it if that may be seen, else as we do."""
    raw = backend.raw_sql if backend else None
    return raw or (holder.statement if holder else None)


def _stack(title: str, stack: Stack, unknown: str) -> Html:
    left = len(stack) - _FRAMES
    return tag(
        "div",
        tag("h3", title),
        tag("ol", [tag("li", shown(frame)) for frame in stack[:_FRAMES]])
        if stack
        else tag("p", unknown, class_="muted small"),
        left > 0 and tag("p", f"and {count(left, 'frame')} further out", class_="muted small"),
        class_="stack",
    )


def _title(suspect: Suspect) -> str:
    number = len(suspect.holders)
    if number > _CONNECTIONS:
        return f"The {_CONNECTIONS} longest of {number:,} connections"
    return "Its connection" if number == 1 else f"Its {number:,} connections"


def _connections(place: int, suspect: Suspect, backends: dict[int, Backend], offer: Offer) -> Html:
    columns = [
        ("Thread", ""),
        ("Pool", ""),
        ("Held", "n"),
        ("Idle in transaction", "n"),
        ("On the server", ""),
    ]
    if offer.made:
        columns.append(("End it", ""))
    return table(
        f"suspect-{place}-table",
        _title(suspect),
        columns,
        [_connection(holder, backends, offer) for holder in suspect.holders[:_CONNECTIONS]],
    )


def _connection(holder: Holder, backends: dict[int, Backend], offer: Offer) -> list[Child]:
    backend = backends.get(holder.backend or 0)
    idle = holder.idle_in_transaction
    cells: list[Child] = [
        join(holder.thread, tag("span", holder.host, class_="sub")),
        holder.pool,
        duration(holder.seconds),
        "no" if idle is None else duration(idle),
        join(f"pid {backend.pid}", tag("span", backend.state or "state not known", class_="sub"))
        if backend
        else tag("span", "not known", class_="muted"),
    ]
    return [*cells, offer.links(backend)] if offer.made else cells
