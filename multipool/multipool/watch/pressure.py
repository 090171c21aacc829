"""When whole stacks are worth their price: while a pool is short of connections, or in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from multipool.watch.tracing import CALLER, Tracing

if TYPE_CHECKING:
    from multipool.inner import Inner

#: Seconds for which whole stacks are kept after the last reason to.
LASTS: Final = 60.0

#: A pool is short of connections when this share of ``max_size`` is lent; a small one when
#: somebody waits.
_MOST: Final = 0.8
_SMALL: Final = 3


def press(tracing: Tracing, now: float) -> None:
    """Keep whole stacks for a while, if the option leaves it to us."""
    if tracing.base == CALLER:
        tracing.pressed_until = now + LASTS
        if not tracing.stacks:
            tracing.stacks = True
            tracing.sum_up()


def weigh(inner: Inner, now: float) -> None:
    """Look whether there is pressure, or has been none for long enough."""
    tracing, places = inner.tracing, inner.places
    if tracing.base != CALLER:
        return
    limit = places.limit
    used = len(places.slots) - len(places.idle)
    if places.queue() or (limit > _SMALL and used >= _MOST * limit):
        press(tracing, now)
    elif tracing.stacks and now >= tracing.pressed_until:
        tracing.stacks = False
        tracing.sum_up()
