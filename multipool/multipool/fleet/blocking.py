"""Who keeps whom waiting, as trees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from multipool.fleet.snapshot import Backend, Blocked


def trees(backends: Iterable[Backend]) -> tuple[Blocked, ...]:
    """Return a tree for each session that keeps others waiting and waits for none itself.

    Whoever keeps most waiting comes first. A circle of sessions that all wait for each other
    has the one with the lowest pid for its root.
    """
    known = {one.pid: one for one in backends}
    beneath: defaultdict[int, list[int]] = defaultdict(list)
    for one in known.values():
        for blocker in one.blocked_by:
            beneath[blocker].append(one.pid)

    def grow(pid: int, above: frozenset[int]) -> Blocked:
        path = above | {pid}
        one = known.get(pid)  # None: a prepared transaction or a background worker
        waits = one is not None and bool(one.blocked_by)
        ages = (one.query_age if waits else one.transaction_age) if one is not None else None
        return Blocked(
            pid=pid,
            seconds=ages or 0.0,
            blocks=tuple(
                sorted(
                    (grow(other, path) for other in beneath.get(pid, ()) if other not in path),
                    key=lambda tree: -tree.seconds,
                )
            ),
        )

    roots = [pid for pid in beneath if pid not in known or not known[pid].blocked_by]
    grown = [grow(pid, frozenset()) for pid in sorted(roots)]
    seen = {pid for tree in grown for pid in _pids(tree)}
    for pid in sorted(beneath):
        if pid not in seen:
            grown.append(grow(pid, frozenset()))
            seen.update(_pids(grown[-1]))
    return tuple(sorted(grown, key=lambda tree: -len(set(_pids(tree)))))


def _pids(tree: Blocked) -> Iterable[int]:
    yield tree.pid
    for one in tree.blocks:
        yield from _pids(one)
