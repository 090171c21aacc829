"""The live screen, by the library rich (the extra ``multipool[top]``)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multipool.errors import PoolError
from multipool.leaving import left_at
from multipool.terminal import printable
from multipool.top.sections import Overview, Section

#: Last columns that stand beneath their rows where there is no room for so many characters beside
#: them: what is left of 80 columns by figures tells nothing of a statement.
_BENEATH: Final = frozenset(("call site: statement", "application, call site: statement"))
_READABLE: Final = 60
_INDENT: Final = "  "

#: Columns that go on in the next line where the screen is narrow: their end tells one from another.
_FOLDED: Final = frozenset(("process", "checked out", "last query", "now", "where"))
#: Columns that are cut there. All others are figures: one of which half is missing is another.
_CUT: Final = frozenset(
    (
        *("application", "database", "pool", "state", "thread", "whose"),
        *("counted since ever", "largest share"),
        *_BENEATH,
    )
)

#: By which the screen is left as it was found, and the statuses of who ends by them.
_ENDS: Final = {
    int(number): 128 + number
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))
    if number is not None
}


def show(look: Callable[[], Overview], every: float) -> None:
    """Show what *look* returns, *every* so many seconds, until Ctrl-C.

    Raises `PoolError` where there is no terminal, or one that only goes on downwards.
    """
    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        raise PoolError("the live screen is for a terminal whose cursor can be moved: use --once")
    with left_at(_ENDS), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(drawn(look()), refresh=True)
            time.sleep(every)


def drawn(overview: Overview) -> Group:
    """Return it as rich draws it. Nothing in it is read as markup, nor by the terminal."""
    lines = [Text(printable(line)) for line in overview.lines]
    return Group(*lines, *(part for section in overview.sections for part in _parts(section)))


def _parts(section: Section) -> tuple[RenderableType, ...]:
    # Above the table, not of it: else it would be as narrow.
    heading = Text(section.heading, style="table.title")
    if section.head[-1] in _BENEATH:
        return heading, _Queries(section)
    return heading, _table(section)


class _Queries:
    """A table, or on a narrow screen lines, each with what its last column has beneath it."""

    def __init__(self, section: Section) -> None:
        self._section = section

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        section = self._section
        figures = [list(map(printable, row[:-1])) for row in (section.head, *section.rows)]
        widths = [max(map(len, column)) for column in zip(*figures, strict=True)]
        if options.max_width - sum(widths) - 2 * len(widths) >= _READABLE:
            yield _table(section)
            return
        head, *lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in figures]
        yield Text(head, style="bold")
        yield _cut(_INDENT + section.head[-1], "bold")
        for line, row in zip(lines, section.rows, strict=True):
            yield Text(line)
            yield _cut(_INDENT + printable(row[-1]))


def _table(section: Section) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in section.head:
        table.add_column(_cut(head), no_wrap=head not in _FOLDED | _CUT)
    for row in section.rows:
        cells = zip(section.head, map(printable, row), strict=True)
        table.add_row(
            *(
                Text(cell, overflow="fold") if head in _FOLDED else _cut(cell)
                for head, cell in cells
            )
        )
    return table


def _cut(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")
