"""The live screen, by the library rich (the extra ``multipool[top]``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multipool.top.overview import NOBODY, Section


def show(look: Callable[[], Sequence[Section]], every: float) -> None:
    """Show what *look* returns, *every* so many seconds, until Ctrl-C."""
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(drawn(look()), refresh=True)
            time.sleep(every)


def drawn(sections: Sequence[Section]) -> Group:
    """Return the tables as rich draws them. Nothing in them is read as markup."""
    if not any(section.rows for section in sections):
        return Group(Text(NOBODY))
    return Group(*map(_table, sections))


def _table(section: Section) -> Table:
    table = Table(
        title=Text(f"{section.title}: {len(section.rows)}"),
        title_justify="left",
        expand=True,
        box=None,
        header_style="bold",
    )
    for head in section.head[:-1]:
        table.add_column(Text(head), no_wrap=True)
    table.add_column(Text(section.head[-1]), no_wrap=True, ratio=1, overflow="ellipsis")
    for row in section.rows:
        table.add_row(*map(Text, row))
    return table
