"""Each pool by its name, all processes together; the fullest of them one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from multipool.dashboard.drawing import bar, sparkline
from multipool.dashboard.frames import shown
from multipool.dashboard.history import History
from multipool.dashboard.html import Html, join, tag
from multipool.dashboard.table import more, table
from multipool.dashboard.words import count, duration, of
from multipool.fleet.snapshot import PoolState, Process, Snapshot

#: Names of pools that are listed before the rest is folded, and pools of one name.
_SHOWN: Final = 12
_EACH: Final = 20
_SITES: Final = 5


def draw(snapshot: Snapshot, history: History) -> Html:
    """Return the table of names, those in trouble first, and beneath it the single pools."""
    groups: defaultdict[tuple[str, str], list[PoolState]] = defaultdict(list)
    for pool in snapshot.pools:
        groups[pool.app, pool.name].append(pool)
    rows = sorted(groups.items(), key=lambda item: (*_rank(item[1]), item[0]))
    drawn = [_row(key, pools, history) for key, pools in rows]
    past = f"last {duration(history.length())}" if history.length() else "lately"
    columns = (
        ("Pool", ""),
        ("In use", "meter"),
        ("Waiting", "n"),
        ("Exhausted", "n"),
        ("Timeouts", "n"),
        (f"Lent, {past}", ""),
        (f"Waiting, {past}", ""),
    )
    return join(
        tag("h2", "Pools ", tag("small", _summary(snapshot.pools))),
        table("pools-table", "Pools by name, those in trouble first", columns, drawn[:_SHOWN]),
        len(drawn) > _SHOWN
        and more(
            "pools-more",
            f"{len(drawn) - _SHOWN:,} more names",
            table("pools-rest", "Further pools by name", columns, drawn[_SHOWN:]),
        ),
        _who_waits(snapshot),
        len(snapshot.pools) > len(groups) and _each(snapshot),
    )


def _rank(pools: Sequence[PoolState]) -> tuple[int, int, float]:
    """Return what sorts the worst to the front: who waits, what is full, how full the rest is."""
    used, most = sum(pool.used for pool in pools), sum(pool.max_size or 0 for pool in pools)
    waiting = sum(pool.waiting for pool in pools)
    return -waiting, -sum(pool.exhausted for pool in pools), -used / max(most, 1)


def _summary(pools: Sequence[PoolState]) -> str:
    return (
        f"{count(len(pools), 'pool')}, {sum(pool.used for pool in pools):,} connections lent,"
        f" {sum(pool.idle for pool in pools):,} idle"
    )


def _row(key: tuple[str, str], pools: Sequence[PoolState], history: History) -> tuple[Html, ...]:
    app, name = key
    full = sum(pool.exhausted for pool in pools)
    processes = len({pool.process for pool in pools})
    drivers = " ".join(sorted({pool.driver for pool in pools}))
    about = f"{app}, {drivers}, {count(processes, 'process', 'processes')}"
    samples = history.of(key)
    past = f"in the last {duration(history.length())}"
    used = [(when, sample.used) for when, sample in samples]
    waiting = [(when, sample.waiting) for when, sample in samples]
    return (
        join(name, tag("span", about, class_="sub")),
        meter(pools),
        _waiting(pools),
        tag("span", of(full, len(pools)), class_="bad") if full else join("none"),
        join(f"{sum(int(pool.counters.get('timeouts', 0)) for pool in pools):,}"),
        _past(used, f"Lent {past}"),
        _past(waiting, f"Waiting {past}"),
    )


def _past(points: Sequence[tuple[float, int]], what: str) -> Html:
    """Return the curve, and beside it the figure that its height stands for."""
    curve = sparkline(points, 1, f"{what}: {_range(points)}")
    peak = max((value for _, value in points), default=0)
    return join(curve, tag("span", f"up to {peak:,}", class_="sub") if len(points) > 1 else None)


def _range(points: Sequence[tuple[float, int]]) -> str:
    values = [value for _, value in points] or [0]
    return f"{min(values):,} to {max(values):,}, now {values[-1]:,}"


def meter(pools: Sequence[PoolState]) -> Html:
    """Return a bar of what *pools* have, and the same in words."""
    used, idle = sum(pool.used for pool in pools), sum(pool.idle for pool in pools)
    sizes = [pool.max_size for pool in pools]
    most = None if None in sizes else sum(size for size in sizes if size is not None)
    said = f"{of(used, most)} lent, {idle:,} idle" + ("" if most is not None else ", no limit")
    total = most if most is not None else used + idle
    return join(bar([("used", used), ("idle", idle)], total, said), tag("span", said, class_="sub"))


def _waiting(pools: Sequence[PoolState]) -> Html:
    waiting = sum(pool.waiting for pool in pools)
    if not waiting:
        return join("0")
    oldest = max(pool.oldest_wait for pool in pools)
    return tag(
        "strong",
        f"{waiting:,}",
        tag("span", f"oldest {duration(oldest)}", class_="sub"),
        class_="bad",
    )


def _who_waits(snapshot: Snapshot) -> Html | None:
    """Return the lines of code that wait for a connection, those with most threads first."""
    sites: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for waiter in snapshot.waiters:
        if waiter.stack:
            sites[waiter.app, waiter.stack[0]].append(waiter.seconds)
    if not sites:
        return None
    most = sorted(sites.items(), key=lambda item: -len(item[1]))[:_SITES]
    return tag(
        "ul",
        [
            tag(
                "li",
                tag("strong", f"{len(waits):,}"),
                f" of {app} waiting, up to {duration(max(waits))}, at ",
                shown(frame),
            )
            for (app, frame), waits in most
        ],
        class_="waiters small",
    )


def _each(snapshot: Snapshot) -> Html:
    processes = {process.id: process for process in snapshot.processes}
    fullest = sorted(snapshot.pools, key=lambda pool: (*_rank([pool]), pool.host, pool.process))
    summary = f"The {min(_EACH, len(fullest)):,} fullest of {len(fullest):,}, process by process"
    return more(
        "pools-each",
        summary,
        table(
            "pools-single",
            summary,
            (("Pool", ""), ("Process", ""), ("In use", "meter"), ("Waiting", "n")),
            [
                (
                    join(pool.name, tag("span", pool.app, class_="sub")),
                    _whose(pool, processes.get(pool.process)),
                    meter([pool]),
                    _waiting([pool]),
                )
                for pool in fullest[:_EACH]
            ],
        ),
    )


def _whose(pool: PoolState, process: Process | None) -> Html:
    if process is None:
        return join(pool.host)
    return join(pool.host, tag("span", f"pid {process.pid}", class_="sub"))
