"""Several ways to one database, each in a process of its own, that take turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from multipool_django.demo.children import Children
from multipool_django.demo.load import Figures
from multipool_django.demo.ways import Way


class SideBySide:
    """The processes of some *ways* to the shop's database at *params*, among *children*."""

    def __init__(self, ways: Iterable[Way], params: Mapping[str, str], children: Children) -> None:
        self._visitors = {way: children.start("visits", **way.job(params)) for way in ways}
        for visitor in self._visitors.values():
            visitor.hear()

    def compare(
        self,
        what: str,
        number: int,
        seconds: float,
        rounds: int,
        tick: Callable[[], object] = lambda: None,
    ) -> dict[Way, Figures]:
        """Have *what* done by *number* threads, for *seconds* in each of the rounds.

        Returns for each way the median of its rounds' figures, and its longest visit. There is
        one round more, the first, which does not count. *tick* is called now and then.
        """
        found: dict[Way, list[Figures]] = {way: [] for way in self._visitors}
        for turn in range(rounds + 1):
            # Who comes first changes, and with it who comes after whom.
            for way, visitor in list(self._visitors.items())[:: -1 if turn % 2 else 1]:
                visitor.order(what=what, number=number, seconds=seconds)
                figures = Figures(**visitor.hear()["figures"])
                if turn:
                    found[way].append(figures)
                tick()
        return {way: median_of(figures) for way, figures in found.items()}


def median_of(rounds: Sequence[Figures]) -> Figures:
    """Return the median of the figures of several *rounds*, and the longest visit of all."""
    return Figures(
        done=sum(each.done for each in rounds),
        per_second=statistics.median(each.per_second for each in rounds),
        median=statistics.median(each.median for each in rounds),
        longest=max(each.longest for each in rounds),
    )
