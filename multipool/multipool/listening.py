"""Who hears of each connect, wait and use as it ends, beyond their totals in `stats`.

For histograms that are not ours, which want every single value: see `export.otel`. Nothing
on the hot path comes by here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

log = logging.getLogger("multipool")

#: What took some time: opening a connection, waiting in line for one, or having one.
What = Literal["connect", "wait", "use"]

#: Called with the pool's name, what it was, and seconds; in the thread that it happened to,
#: with no lock held. A finaliser may be what returns a connection, wherever it happens to run:
#: whoever wants a lock must see to it (see `export.aside`). An error is logged.
Listener = Callable[[str, What, float], object]

#: Replaced as a whole, never changed.
listeners: tuple[Listener, ...] = ()


def listen(listener: Listener) -> None:
    """Call *listener* from now on, for all pools of the process, whenever they are made."""
    global listeners
    listeners = (*listeners, listener)


def unlisten(listener: Listener) -> None:
    """No more. One that does not listen is fine too."""
    global listeners
    listeners = tuple(one for one in listeners if one != listener)


def tell(pool: str, what: What, seconds: float) -> None:
    """Tell every listener. Raises nothing of theirs."""
    for listener in listeners:
        try:
            listener(pool, what, seconds)
        except Exception as error:
            log.warning("pool %r: a listener failed: %s", pool, type(error).__name__)
