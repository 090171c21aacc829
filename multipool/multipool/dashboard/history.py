"""The last minutes of each pool's name, kept in the process that serves the page."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

from multipool.fleet.snapshot import Snapshot

#: Seconds that are remembered, and between two samples at least: 150 points fill a sparkline.
REMEMBERED: Final = 300.0
_EVERY: Final = 2.0

#: Application and pool: what the page groups pools by.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """What the pools of one name had at one moment, together."""

    used: int
    waiting: int


class History:
    """Samples of the last `REMEMBERED` seconds, as often as somebody looked."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, dict[Key, Sample]]] = deque()

    def add(self, snapshot: Snapshot, now: float) -> None:
        """Keep what *snapshot* says, at *now* on a monotonic clock."""
        if self._samples and now - self._samples[-1][0] < _EVERY * 0.9:
            return
        sums: defaultdict[Key, list[int]] = defaultdict(lambda: [0, 0])
        for pool in snapshot.pools:
            total = sums[pool.app, pool.name]
            total[0] += pool.used
            total[1] += pool.waiting
        self._samples.append((now, {key: Sample(*total) for key, total in sums.items()}))
        while self._samples[0][0] < now - REMEMBERED:
            self._samples.popleft()

    def of(self, key: Key) -> list[tuple[float, Sample]]:
        """Return when (on the clock of `add`) and what of *key*, the oldest first."""
        known = list(self._samples)  # somebody else may look, and so add, meanwhile
        return [(when, samples[key]) for when, samples in known if key in samples]

    def length(self) -> float:
        """Return the seconds between the first sample and the last."""
        return self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0
