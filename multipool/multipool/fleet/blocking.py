"""Who keeps whom waiting, as trees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from multipool.fleet.snapshot import Backend, Blocked


def trees(backends: Iterable[Backend]) -> tuple[Blocked, ...]:
    """Return a tree for each session that keeps others waiting and waits for none itself.

    Whoever keeps most waiting comes first. A circle of sessions that all wait for each other
    has the one with the lowest pid for its root. Who stands in line for a lock waits for all that
    are before it: in one tree it stands once, as near to the root as it can.
    """
    known = {one.pid: one for one in backends}
    beneath: defaultdict[int, list[int]] = defaultdict(list)
    for one in known.values():
        for blocker in one.blocked_by:
            beneath[blocker].append(one.pid)

    def grow(root: int) -> Blocked:
        children: dict[int, list[int]] = {root: []}
        row = [root]
        for pid in row:  # which grows meanwhile
            for other in beneath.get(pid, ()):
                if other not in children:
                    children[other] = []
                    children[pid].append(other)
                    row.append(other)
        grown: dict[int, Blocked] = {}
        for pid in reversed(row):  # each after those beneath it
            blocks = sorted((grown[other] for other in children[pid]), key=lambda t: -t.seconds)
            grown[pid] = Blocked(pid=pid, seconds=seconds(pid), blocks=tuple(blocks))
        return grown[root]

    def seconds(pid: int) -> float:
        one = known.get(pid)  # None: a prepared transaction or a background worker
        if one is None:
            return 0.0
        return (one.query_age if one.blocked_by else one.transaction_age) or 0.0

    roots = [pid for pid in beneath if pid not in known or not known[pid].blocked_by]
    grown = [grow(pid) for pid in sorted(roots)]
    seen = {pid for tree in grown for pid in _pids(tree)}
    for pid in sorted(beneath):
        if pid not in seen:
            grown.append(grow(pid))
            seen.update(_pids(grown[-1]))
    return tuple(sorted(grown, key=lambda tree: -len(list(_pids(tree)))))


def _pids(tree: Blocked) -> Iterable[int]:
    yield tree.pid
    for one in tree.blocks:
        yield from _pids(one)
