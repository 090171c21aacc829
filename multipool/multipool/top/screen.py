"""The live screen, by the library rich (the extra ``multipool[top]``)."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multipool.terminal import printable
from multipool.top.sections import Overview, Section


def show(look: Callable[[], Overview], every: float) -> None:
    """Show what *look* returns, *every* so many seconds, until Ctrl-C."""
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(drawn(look()), refresh=True)
            time.sleep(every)


def drawn(overview: Overview) -> Group:
    """Return it as rich draws it. Nothing in it is read as markup, nor by the terminal."""
    lines = [Text(printable(line)) for line in overview.lines]
    return Group(*lines, *map(_table, overview.sections))


def _table(section: Section) -> Table:
    table = Table(
        title=Text(section.heading),
        title_justify="left",
        expand=True,
        box=None,
        header_style="bold",
    )
    for head in section.head[:-1]:
        table.add_column(Text(head), no_wrap=True)
    table.add_column(Text(section.head[-1]), no_wrap=True, ratio=1, overflow="ellipsis")
    for row in section.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
