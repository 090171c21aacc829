"""Every process: a cell for each, by host, and a table folded away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from multipool.dashboard.html import Child, Html, join, tag
from multipool.dashboard.table import more, table
from multipool.dashboard.words import count, duration, of
from multipool.fleet.snapshot import PoolState, Process, Snapshot

#: Hosts with cells, cells of one host, and rows of the table.
_HOSTS: Final = 24
_CELLS: Final = 120
_ROWS: Final = 300

#: What a state is called for a person.
_STATES: Final = {"alive": "alive", "stale": "silent", "gone": "gone"}


@dataclass(frozen=True, slots=True)
class _Load:
    """A process and what its pools have."""

    process: Process
    used: int
    #: None where a pool has no limit.
    most: int | None
    waiting: int
    exhausted: bool

    @property
    def says(self) -> str:
        said = f"pid {self.process.pid} of {self.process.app}: {of(self.used, self.most)} lent"
        if self.waiting:
            said += f", {self.waiting:,} waiting"
        if self.process.state != "alive":
            said += f", {_STATES[self.process.state]} for {duration(self.process.age)}"
        return said

    @property
    def trouble(self) -> int:
        return 2 * self.exhausted + (self.process.state != "alive")


def draw(snapshot: Snapshot) -> Html:
    """Return the cells and the table."""
    loads = _loads(snapshot)
    silent = sum(load.process.state != "alive" for load in loads)
    figures = f"{count(len(loads), 'process', 'processes')} on {count(len(snapshot.hosts), 'host')}"
    return join(
        tag("h2", "Processes ", tag("small", figures, f", {silent:,} silent" if silent else "")),
        _cells(loads),
        _table(loads),
    )


def _loads(snapshot: Snapshot) -> list[_Load]:
    """Return all processes, those in trouble first, then the busiest."""
    pools: defaultdict[str, list[PoolState]] = defaultdict(list)
    for pool in snapshot.pools:
        pools[pool.process].append(pool)
    loads = [_load(process, pools[process.id]) for process in snapshot.processes]
    return sorted(
        loads, key=lambda load: (-load.trouble, -load.used, load.process.host, load.process.pid)
    )


def _load(process: Process, pools: Sequence[PoolState]) -> _Load:
    sizes = [pool.max_size for pool in pools]
    return _Load(
        process,
        sum(pool.used for pool in pools),
        None if None in sizes else sum(size for size in sizes if size is not None),
        sum(pool.waiting for pool in pools),
        any(pool.exhausted for pool in pools),
    )


def _cells(loads: Sequence[_Load]) -> Html:
    hosts: defaultdict[str, list[_Load]] = defaultdict(list)
    for load in sorted(loads, key=lambda load: (load.process.app, load.process.pid)):
        hosts[load.process.host].append(load)
    worst = sorted(hosts.items(), key=lambda item: (-sum(one.trouble for one in item[1]), item[0]))
    lines = [
        tag(
            "div",
            tag("span", host, " ", tag("span", f"{len(ours):,}", class_="muted")),
            tag("ul", map(_cell, ours[:_CELLS]), class_="cells", aria_label=f"Processes on {host}"),
            class_="host",
        )
        for host, ours in sorted(worst[:_HOSTS])
    ]
    left = len(worst) - len(lines)
    legend = "Filled as far as connections are lent; framed: exhausted; dashed: silent."
    return join(
        tag("p", legend, class_="muted small"),
        tag("div", lines, class_="hosts"),
        left > 0 and tag("p", f"{count(left, 'more host')} in the table below.", class_="muted"),
    )


def _cell(load: _Load) -> Html:
    """Return a small column, filled as far as the process's pools are lent."""
    filled = 20 * min(load.used / max(load.most or load.used, 1), 1)
    mark = "late" if load.process.state != "alive" else "bad" if load.exhausted else None
    picture = tag(
        "svg",
        tag("title", load.says),
        tag("rect", class_="free", width=14, height=20),
        filled > 0
        and tag("rect", class_="used", y=f"{20 - filled:.1f}", width=14, height=f"{filled:.1f}"),
        viewBox="0 0 14 20",
        role="img",
    )
    return tag("li", picture, class_=mark)


def _table(loads: Sequence[_Load]) -> Html:
    left = len(loads) - _ROWS
    shown = f"The first {_ROWS:,} of {len(loads):,}" if left > 0 else f"All {len(loads):,}"
    return more(
        "processes-more",
        f"{shown} as a table",
        table(
            "processes-table",
            "Processes, those in trouble first",
            (
                ("Process", ""),
                ("Application", ""),
                ("State", ""),
                ("Lent", "n"),
                ("Waiting", "n"),
                ("Last report", "n"),
                ("Up for", "n"),
            ),
            map(_row, loads[:_ROWS]),
        ),
    )


def _row(load: _Load) -> tuple[Child, ...]:
    process = load.process
    state = _STATES[process.state] + (", exhausted" if load.exhausted else "")
    return (
        join(process.host, tag("span", f"pid {process.pid}", class_="sub")),
        join(process.app, tag("span", "behind a pooler", class_="sub") if process.pooler else None),
        tag("span", state, class_="bad" if load.trouble else "ok"),
        of(load.used, load.most),
        f"{load.waiting:,}",
        f"{duration(process.age)} ago",
        duration(process.uptime),
    )
