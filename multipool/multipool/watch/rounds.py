"""What upkeep does for watching, whenever it looks at a pool."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from multipool.caretaker import NEVER
from multipool.watch.pressure import weigh
from multipool.watch.table import as_table

if TYPE_CHECKING:
    from multipool.inner import Inner

log = logging.getLogger("multipool.watch.report")

#: How many queries are logged.
_TOP: Final = 10


def watch(inner: Inner, now: float) -> float:
    """Log what is due; return the monotonic time at which to look again."""
    weigh(inner, now)
    if inner.inline:  # else the thread looks, and more often
        inner.demand.look(inner, now)
    return min(inner.alarms.look(inner), _report(inner, now))


def _report(inner: Inner, now: float) -> float:
    every = inner.config.report_every
    if every is None:
        return NEVER
    if now >= inner.next_report:
        if inner.next_report:
            log.info("%s", as_table(inner))
            if inner.query_log is not None:
                queries = inner.query_log.report().sorted("total", _TOP)
                log.info("pool %r: where the time of its queries went\n%s", inner.name, queries)
        inner.next_report = now + every
    return inner.next_report
