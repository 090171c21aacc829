"""Time that passes as fast as it can be reckoned, and chance that can be repeated."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Generator
from typing import Any

#: What does one thing after another, and yields the seconds between them.
Course = Generator[float, None, Any]


class World:
    """What happens, in order."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self._ahead: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, function: Callable[..., object], *args: Any) -> None:
        """Call ``function(*args)`` in so many seconds."""
        heapq.heappush(self._ahead, (self.now + seconds, next(self._numbers), function, args))

    def follow(self, course: Course) -> None:
        """Let *course* go on until it ends."""
        seconds = next(course, None)
        if seconds is not None:
            self.after(seconds, self.follow, course)

    def pass_time(self, until: float) -> None:
        """Let everything happen that happens until then."""
        while self._ahead and self._ahead[0][0] <= until:
            self.now, _, function, args = heapq.heappop(self._ahead)
            function(*args)
        self.now = until
