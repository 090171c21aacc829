"""Leases that last too long, or are idle in a transaction for too long: said when they come to
be so, and when that ends.

Upkeep looks (see `tending`), as often as there may be something new to say: the times are known,
so a look is due when the next lease would cross its threshold, and not before.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Final

from multipool.caretaker import NEVER
from multipool.driver import INERROR, INTRANS
from multipool.helpers import Helpers
from multipool.watch.cursor import sight_of
from multipool.watch.finding import describe, idle_since_of, status_of
from multipool.watch.pressure import press
from multipool.watch.records import Holder, Kind, Trouble

if TYPE_CHECKING:
    from multipool.config import PoolConfig, TroubleHook
    from multipool.inner import Inner
    from multipool.slot import Slot

log = logging.getLogger("multipool.watch")

_LOGS: Final[dict[Kind, logging.Logger]] = {
    "held": logging.getLogger("multipool.watch.held"),
    "idle in transaction": logging.getLogger("multipool.watch.idle_in_transaction"),
}
_TOTALS: Final[dict[Kind, str]] = {
    "held": "held_too_long",
    "idle in transaction": "idle_in_transaction_too_long",
}

#: Seconds between two looks while there is something whose end is to be told.
_END: Final = 0.5
#: Troubles that wait for a hook that has not returned from the one before.
MOST: Final = 100
#: Seconds by which the same moment may differ between two looks, read off two clocks.
_SAME: Final = 0.01


class _Raised:
    """Something that was said, and since when it is so."""

    __slots__ = ("holder", "serial", "since")

    def __init__(self, serial: int, since: float, holder: Holder) -> None:
        self.serial = serial
        self.since = since
        self.holder = holder


class Alarms:
    """What was said of one pool's leases and is not over yet."""

    def __init__(self) -> None:
        self._raised: dict[tuple[Slot, Kind], _Raised] = {}
        # One thread, so that no end is told before its beginning, and none of upkeep's, since a
        # hook may hang.
        self._hooks = Helpers(1, MOST)
        self._hook_lags = False

    @property
    def raised(self) -> bool:
        """Whether there is something whose end is to be told."""
        return bool(self._raised)

    def look(self, inner: Inner) -> float:
        """Say what is new; return the monotonic time at which there may be more."""
        now = monotonic()
        after = _thresholds(inner.config)
        if not after:
            return NEVER
        # What begins from now on cannot be due sooner than this.
        due = now + min(after.values())
        current: dict[tuple[Slot, Kind], tuple[int, float]] = {}
        for slot in list(inner.places.slots):
            if not slot.leased:
                continue
            serial = slot.serial
            for kind, since in _begun(inner, slot, now).items():
                if kind in after:
                    current[slot, kind] = serial, since
                    crosses = since + after[kind]
                    if now < crosses:
                        due = min(due, crosses)
                    elif (slot, kind) not in self._raised:
                        self._raise(inner, slot, kind, serial, since)
        for key, raised in list(self._raised.items()):
            serial, since = current.get(key, (-1, 0.0))
            if serial != raised.serial or since > raised.since + _SAME:
                self._end(inner, key, raised, now)
        return min(due, now + _END) if self._raised else due

    def _raise(self, inner: Inner, slot: Slot, kind: Kind, serial: int, since: float) -> None:
        holder = describe(inner, slot)
        if holder is None or slot.serial != serial:
            return  # it came back just now
        if kind == "idle in transaction" and holder.idle_for is None:
            return
        self._raised[slot, kind] = _Raised(serial, since, holder)
        inner.totals.add(_TOTALS[kind])
        now = monotonic()
        press(inner.tracing, now)
        self._say(inner, Trouble(kind, False, now - since, holder))

    def _end(self, inner: Inner, key: tuple[Slot, Kind], raised: _Raised, now: float) -> None:
        if self._raised.pop(key, None) is not None:
            seconds = now - raised.since
            self._say(inner, Trouble(key[1], True, seconds, replace(raised.holder, doing=())))

    def _say(self, inner: Inner, trouble: Trouble) -> None:
        _LOGS[trouble.kind].warning("%s", trouble, extra=trouble.as_dict())
        hook = inner.config.on_trouble
        if hook is None:
            return
        if inner.inline:
            _call(hook, trouble)
            return
        lagged, self._hook_lags = self._hook_lags, self._hooks.full
        if self._hook_lags and not lagged:
            log.warning(
                "pool %r: on_trouble does not return: of more than %d troubles that wait for it"
                " the oldest are left out",
                inner.name,
                MOST,
            )
        self._hooks.run(_call, hook, trouble)


def _call(hook: TroubleHook, trouble: Trouble) -> None:
    try:
        hook(trouble)
    except Exception as error:
        log.warning("pool %r: on_trouble failed: %s", trouble.holder.pool, type(error).__name__)


def _thresholds(config: PoolConfig) -> dict[Kind, float]:
    options: dict[Kind, float | None] = {
        "held": config.held_after,
        "idle in transaction": config.idle_in_transaction_after,
    }
    return {kind: after for kind, after in options.items() if after is not None}


def _begun(inner: Inner, slot: Slot, now: float) -> dict[Kind, float]:
    """Return since when the lease of *slot* lasts, and is idle in a transaction if it is."""
    found: dict[Kind, float] = {"held": slot.since}
    conn = slot.conn_ref() if slot.conn_ref is not None else None
    status = status_of(inner, slot, conn)
    if status not in (INTRANS, INERROR):
        slot.seen_outside = now
    elif (since := idle_since_of(slot, sight_of(conn), status)) is not None:
        found["idle in transaction"] = since
    return found
