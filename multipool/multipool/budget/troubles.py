"""What went wrong with asking for a share, and what to make of it.

A moment's trouble is waited out. Where there is no store, or none for this role, or where it goes
on refusing, a pool does without its word, and looks again with growing pauses: `migrate` may
make the store a moment later.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import monotonic
from typing import Final

from multipool.fleet.errors import MISSING, REMEDY
from multipool.pauses import Pauses

log = logging.getLogger("multipool.budget")

#: Seconds until a refused attempt is repeated; and for which a store may refuse by reasons that
#: pass, until the pool does without it.
AGAIN: Final = 0.2
LASTS: Final = 5.0

#: A lock, a deadlock, a serialisation failure: next time it may be otherwise.
_MOMENTARY: Final = frozenset(["55P03", "40P01", "40001", "57014"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done about a failure."""

    #: Seconds until the next attempt.
    pause: float
    #: Whether the pool is to do without the store's word until one succeeds.
    alone: bool = False


class Troubles:
    """The failures of one pool's calls since the last one that succeeded."""

    def __init__(self) -> None:
        #: Whether the last call failed; and why there is no share to be had, if that is known.
        self.failed = False
        self.words: str | None = None
        # Since when the store has refused (monotonic time), and whether that was logged.
        self._since: float | None = None
        self._logged = False
        self._pauses = Pauses()

    def over(self) -> None:
        """Note that the store has answered."""
        self.failed = self._logged = False
        self.words = self._since = None
        self._pauses.begin_anew()

    def is_unreachable(self, error: Exception) -> None:
        """Note that no connection could be opened to ask by."""
        self.failed = True
        self.words = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"

    def pause_of_refused(self) -> float:
        """Return the seconds until a server that opens none for us may be asked for one again."""
        return self._pauses.next()

    def judge(self, sqlstate: str | None, *, was_cut: bool, holds: bool, alone: bool) -> Verdict:
        """Say what to do about the store's no.

        *was_cut*: it took so long that the call was given up; *holds*: what was granted is still
        granted; *alone*: the pool does without the store already.
        """
        self.failed = True
        if sqlstate in MISSING:
            self.words = REMEDY
            return Verdict(self._pauses.next(), alone=True)
        if was_cut:
            return Verdict(LASTS)  # each attempt may cost the pool a connection
        # A lock that is not to be had in a moment is nothing to speak of; nor is a lost line.
        momentary = sqlstate in _MOMENTARY
        if sqlstate is None or (momentary and holds):
            return Verdict(AGAIN)
        self.words = f"the server refuses ({sqlstate})"
        now = monotonic()
        if self._since is None:
            self._since = now
        lasts = now - self._since >= LASTS
        return Verdict(
            AGAIN if momentary and not alone else LASTS,
            alone=not holds and (lasts or not momentary),
        )

    def log_once(self, pool: str, cap: int) -> None:
        """Log that the pool of that name confines itself to *cap*, unless it was said already."""
        if not self._logged:
            self._logged = True
            log.warning(
                "pool %r: its share of the budget cannot be asked for, so it confines itself to %d:"
                " %s",
                pool,
                cap,
                self.words,
            )
