"""What a pool may open by now, and until when: by the word of the store, or without any."""

from __future__ import annotations

from time import monotonic
from typing import Final

from multipool.budget.sharing import State
from multipool.budget.store import Answer
from multipool.budget.use import NEVER

#: Seconds for which a grant may be used by a pool that has no connection: it would not notice that
#: the server has crashed, and forgotten whom it granted what.
FRESH: Final = 1.0


class Grant:
    """How many connections one pool may open."""

    def __init__(self) -> None:
        self.cap = 0
        #: What the store has written down, and its last answer.
        self.share = 0
        self.answer: Answer | None = None
        #: Whether the pool confines itself to a part of the budget that needs nobody's word.
        self.alone = False
        # Monotonic times until which it may open any: at all, and if it has none; and since when
        # it has had anything.
        self._until = 0.0
        self._fresh_until = 0.0
        self._since = 0.0

    def may_open(self, held: int) -> bool:
        """Return whether a pool that has *held* connections may open one within its limit."""
        now = monotonic()
        return now < self._until and (held > 0 or now < self._fresh_until)

    @property
    def holds(self) -> bool:
        """Whether what is granted is still granted."""
        return monotonic() < self._until

    @property
    def state(self) -> State | None:
        """How things stood by the last answer."""
        return None if self.answer is None else self.answer.state

    def had_for(self, now: float) -> float:
        """Return for how many seconds it has had anything."""
        return now - self._since if self.cap else 0.0

    def heed(self, answer: Answer, *, new_turn: bool) -> None:
        """Take what the store has answered; *new_turn*: the one before was over.

        For how long it may be used `renew` says.
        """
        if (not self.cap or new_turn) and answer.cap:
            self._since = monotonic()
        self.answer, self.share, self.cap = answer, answer.share, answer.cap
        self.alone = False

    def renew(self, until: float) -> None:
        """Let it be used until the monotonic time *until*."""
        self._until, self._fresh_until = until, monotonic() + FRESH

    def narrow(self, most: int) -> None:
        """Let it be no more than *most*."""
        self.cap = min(self.cap, most)

    def lapse(self) -> None:
        """Let nothing be opened by it until the store has been asked again."""
        if not self.alone:
            self._until = 0.0

    def give_up(self) -> None:
        """Give all of it back."""
        self.cap = self.share = 0
        self._until = 0.0

    def stand_alone(self, cap: int) -> None:
        """Let it be *cap*, for as long as nobody can be asked."""
        self.cap = self.share = cap
        self.answer, self.alone = None, True
        self._until = self._fresh_until = NEVER
