"""Tables that a screen reader can walk through and a narrow screen can scroll."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from multipool.dashboard.html import Child, Html, tag

#: A heading and the class of its cells: ``n`` for numbers, ``meter`` for bars, or none.
Column: TypeAlias = tuple[str, str]

_LONGEST_STATEMENT: Final = 300


def table(
    identity: str, caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Child]]
) -> Html:
    """Return a table whose rows are named by their first cell. *identity* is unique on the page."""
    head = tag(
        "thead",
        tag("tr", [tag("th", name, scope="col", class_=kind or None) for name, kind in columns]),
    )
    body = tag("tbody", [_row(columns, row) for row in rows])
    # It scrolls sideways where it is too wide, so the keyboard must reach it.
    return tag(
        "div",
        tag("table", tag("caption", caption), head, body),
        class_="scroll",
        id=identity,
        role="region",
        aria_label=caption,
        tabindex=0,
    )


def _row(columns: Sequence[Column], cells: Sequence[Child]) -> Html:
    first, *others = zip(columns, cells, strict=True)
    return tag(
        "tr",
        tag("th", first[1], scope="row", class_=first[0][1] or None),
        [tag("td", cell, class_=kind or None) for (_, kind), cell in others],
    )


def more(identity: str, summary: str, *content: Child) -> Html:
    """Return what is folded away; it stays as it was left when the page is brought up to date."""
    return tag("details", tag("summary", summary), content, class_="more", id=identity)


def statement(text: str | None) -> Html:
    """Return SQL text, cut where it would flood the page."""
    if not text:
        return tag("span", "not known", class_="muted")
    if len(text) > _LONGEST_STATEMENT:
        text = f"{text[:_LONGEST_STATEMENT]} …"
    return tag("code", text)
