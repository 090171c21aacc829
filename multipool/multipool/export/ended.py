"""What pools that were dropped had counted, by name: no total falls that was told.

Those that come after under the same name go on from there. A closed pool that is still there is
asked itself, since it counts what comes back yet.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from weakref import ReferenceType

from multipool import lifecycle
from multipool.export.sums import together
from multipool.stats import PoolStats

if TYPE_CHECKING:
    from multipool.inner import Inner
    from multipool.pool import Pool

#: Names that are kept, and pools that may be dropped between two looks. A program that makes up
#: a name for each pool uses none again.
MOST: Final = 1000

#: Who was dropped since the last look, and its last figures. Appended to by finalisers.
_dropped: Final[deque[tuple[ReferenceType[Inner], PoolStats]]] = deque(maxlen=MOST)
#: The sums of the others, those that were added to last at the end.
_sums: Final[dict[str, PoolStats]] = {}
_lock = threading.RLock()


def of_dropped(there: Iterable[Pool]) -> dict[str, PoolStats]:
    """Return the figures of all pools that were dropped, by name; but not of those *there*.

    One of these may just be about to be dropped.
    """
    homes = [pool._inner.home for pool in there]
    with _lock:
        for _ in range(len(_dropped)):
            home, stats = _dropped.popleft()
            if any(home is one for one in homes):
                _dropped.append((home, stats))
            else:
                before = _sums.pop(stats.name, None)
                _sums[stats.name] = stats if before is None else together(before, stats)
        while len(_sums) > MOST:
            del _sums[next(iter(_sums))]
        return dict(_sums)


def _keep(pool: Pool) -> None:
    _dropped.append((pool._inner.home, pool.stats()))


def begin_anew() -> None:
    """Forget all of them, in a forked child: it counts anew."""
    global _lock
    _lock = threading.RLock()
    _dropped.clear()
    _sums.clear()


lifecycle.outlive(_keep)
lifecycle.renew(begin_anew)
