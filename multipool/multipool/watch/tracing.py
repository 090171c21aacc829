"""How much of a pool's use is noted, and who else wants to see what is executed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from multipool.watch.stacks import Place

if TYPE_CHECKING:
    from multipool.watch.queries.log import QueryLog

# What the option ``trace`` asks for: nothing is noted, the calling frame, or whole stacks.
NOTHING: Final = 0
CALLER: Final = 1
STACKS: Final = 2

#: The option ``trace``.
Trace = Literal["auto", "full", False]
TRACES: Final = ("auto", "full", False)

#: So many whole stacks are kept, in so many seconds, of checkouts that wait, where pressure and
#: not the option asks for them. Few pools have as many; where there are more, walking the stacks
#: would take a good part of the time that those who wait could be served in.
_STACKS: Final = 200
_PERIOD: Final = 0.1

_LEVELS: Final[dict[Trace, int]] = {"auto": CALLER, "full": STACKS, False: NOTHING}


class _NoFrame:
    """Stands for a frame where nothing is to be kept, which costs the hot path no question."""

    f_code = None
    f_lasti = 0


def _nowhere(_: int, frame: Any = _NoFrame()) -> Any:  # noqa: B008  # one for all
    return frame


class More(NamedTuple):
    """What an execution that went on has come to since it was told of last."""

    #: How long the driver had taken for all of it until then.
    before: float
    #: How long it has taken since; 0 for rows that came with those told of before.
    seconds: float
    #: How many were fetched.
    rows: int
    #: What was raised, once in an execution.
    error: BaseException | None


class Observer(Protocol):
    """Is told of each statement that the users of a pool have executed."""

    def executed(
        self, sql: str, place: Place, seconds: float, rows: int, error: BaseException | None
    ) -> None:
        """Note one execution, by any thread, right after it; must be quick and never raise.

        Args:
            sql: the text as the user gave it, with placeholders, without parameters. It may
                hold literals, so it is not to be kept. Empty where it cannot be had.
            place: the innermost line of the application's that asked for it.
            seconds: how long the driver took.
            rows: its ``rowcount``; -1 where that is not known.
            error: what was raised, else None.
        """

    def went_on(self, text: str, place: Place, more: More) -> None:
        """Note that an execution that was told of went on, as rows were fetched from the server.

        As above, but:

        Args:
            text: what stands for the statement, without its literals; empty where nobody counts.
            place: as it was told.
            more: what came of it.
        """


class Tracing:
    """What is on for one pool. Read on the hot path, so it is plain attributes."""

    __slots__ = (
        "_stacks_again",
        "_stacks_left",
        "amend",
        "base",
        "brief",
        "counting",
        "counting_lines",
        "frame_of",
        "log",
        "observers",
        "pressed_until",
        "stacks",
    )

    def __init__(self, trace: Trace) -> None:
        #: What the option asks for, and whether whole stacks are in force, as under pressure.
        self.base = _LEVELS[trace]
        self.stacks = self.base == STACKS
        #: Returns the frame so many calls up, as `sys._getframe` does, or what stands for none.
        self.frame_of: Callable[[int], FrameType] = sys._getframe if self.base else _nowhere
        #: Monotonic time until which pressure is felt.
        self.pressed_until = 0.0
        # How many whole stacks may be kept until the monotonic time when it is as many again.
        self._stacks_left = 0
        self._stacks_again = 0.0
        self.observers: tuple[Observer, ...] = ()
        #: Called with the connection, a statement as the user gave it, where that was, and
        #: whether there are parameters; returns what is executed in its stead. Not called for
        #: COPY.
        self.amend: Callable[[Any, Any, Place, bool], Any] | None = None
        #: Whether nothing is on but what is by default: the calling frame is noted, and nobody
        #: else wants to know. Whoever changes one of the above calls `sum_up`.
        self.brief = False
        #: What counts, if anything does; and the same where whole stacks are kept and nobody else
        #: wants to know, as is the default of the Django backends: what is executed may then be
        #: put down there in line. And where no more than the calling frame is noted. Set by
        #: `sum_up` too.
        self.log: QueryLog | None = None
        self.counting: QueryLog | None = None
        self.counting_lines: QueryLog | None = None
        self.sum_up()

    def sum_up(self) -> None:
        """Set `brief`, `counting` and `counting_lines` to what they are now."""
        self.brief = self.base == CALLER and not (self.stacks or self.observers or self.amend)
        alone = len(self.observers) == 1 and not self.amend
        log = self.log if alone else None
        self.counting = log if self.stacks else None
        self.counting_lines = log if self.base and not self.stacks else None

    @property
    def on(self) -> bool:
        """Whether there is anything to see connections for."""
        return bool(self.base or self.observers or self.amend)

    def affords_stack(self, now: float) -> bool:
        """Return whether one more whole stack may be kept at the monotonic time *now*."""
        if now >= self._stacks_again:
            self._stacks_left = _STACKS
            self._stacks_again = now + _PERIOD
        if self._stacks_left:
            self._stacks_left -= 1
            return True
        return self.base == STACKS
