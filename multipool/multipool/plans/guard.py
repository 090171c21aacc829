"""Is a statement faster prepared? Judged by its times alone.

PostgreSQL plans a prepared statement for its values the first five times and may then settle
for one plan for all of them, which on skewed data can be hundreds of times slower. So the
prepared times are held against unprepared ones, which go on being taken as long as they cost
about one per cent of the whole:

- A *slow* execution is one that takes three times what is usual, and `FLOOR` more. Two of them in
  a row raise a doubt. Then the next executions run unprepared, several times as many as lay
  between the two: if `EXCUSES` of these are slow as well, it is the values. Else the third slow one
  in a row ends it: the statement is given up. Each connection has a plan of its own, so in a row
  are also those after which their connections had none that was fast.
- Slow ones among others, each `CLOSE` to the one before, may be a busy machine's doing: of these
  it takes more, with a doubt before the last. (One in hundreds may be anything, and is let pass.)
- An alarm that was none teaches what this machine is like: it takes longer then to count as slow,
  until there was none for a while.
- So is one that usually takes half as much again as the unprepared sample right before it: what
  slows the whole machine down slows both. (Right after it would not do: a sample comes after so
  much time, which is most often spent in an execution that took long.)

What was given up is tried again after a pause, which doubles each time, and then it is over if
the first execution is slow.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from statistics import median
from time import monotonic
from typing import Final

#: Slow is what takes this many times the usual time, and this many seconds more.
#: A busy machine holds up anybody for some milliseconds.
FACTOR: Final = 3.0
FLOOR: Final = 0.005
#: How many slow executions in a row end it, and how many among others.
STRIKES: Final = 3
SCATTERED: Final = 6
#: They are in a row if they are at most so many executions apart: others are under way at once.
IN_A_ROW: Final = 2
#: Slow executions that are so many executions apart have nothing to do with each other.
CLOSE: Final = 16
#: A false alarm doubles what it takes to be slow, so many times at most; so many executions without
#: a slow one halve it again.
MOST_PATIENCE: Final = 16.0
CALM: Final = 1000
#: How many unprepared executions settle a doubt, at least, and for each execution that lay
#: between two slow ones.
EVIDENCE: Final = 12
EVIDENCE_EACH: Final = 6
#: How many slow ones among these clear the plan. A single one may be the machine's doing.
EXCUSES: Final = 2
#: Without any unprepared sample, this many prepared executions tell what is usual.
FEW: Final = 3
#: The first unprepared sample of a statement that was prepared at once comes after so many.
FIRST_SAMPLE: Final = 10
#: Samples may cost this share of the time that the prepared executions take.
SHARE: Final = 0.01
#: How many times, and comparisons with samples, are remembered.
KEPT: Final = 16
#: A statement is slower prepared if it took so many times as long in so many comparisons.
DRIFT: Final = 1.5
MANY: Final = 12
#: Seconds until what was given up is tried again, the first time and at most.
FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 3600.0


class Times:
    """The times of one way to run a statement, in seconds."""

    __slots__ = ("calls", "recent", "total")

    def __init__(self) -> None:
        self.calls = 0
        self.total = 0.0
        self.recent: deque[float] = deque(maxlen=KEPT)

    def add(self, last: float, calls: int, seconds: float) -> None:
        """Count executions, *seconds* altogether; the *last* stands for all of them."""
        self.calls += calls
        self.total += seconds
        self.recent.append(last)

    def usual(self) -> float | None:
        """Return the median of the latest, or None if there is none."""
        return median(self.recent) if self.recent else None


class Guard:
    """Judges one statement, whatever connections it runs on. Any thread may ask and tell.

    Args:
        clock: tells the time in seconds, monotonically.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.begin_anew()
        self.prepared = Times()
        self.unprepared = Times()
        #: Whether the next execution is to be prepared, without asking `turn`.
        self.trusted = True
        #: Why it was given up, or None.
        self.reason: str | None = None
        #: How often it was given up, and when it is to be tried again.
        self.given_up = 0
        self.retry_at = 0.0
        self._pause = FIRST_PAUSE
        #: More than this many seconds are slow; 0 while that is not known.
        self.limit = 0.0
        # The same; in `limit` it is 0 while every execution is to be told of at once.
        self._slow = 0.0
        # Slow executions close to each other, and in a row.
        self._strikes = 0
        self._row = 0
        # By connection, the slow ones since its last fast one.
        self._standing: dict[object, int] = {}
        # Prepared executions since the latest slow one.
        self._since = 0
        # By what more than is usual counts as slow here, and how many calls end that.
        self._patience = 1.0
        self._calm_at = 0
        # Unprepared executions to come before the next prepared one, and how many were slow.
        self._owed = 0
        self._excuses = 0
        # How many times as long as a sample the prepared execution right after it took, and the
        # sample of which that is not known yet.
        self._ratios: deque[float] = deque(maxlen=KEPT)
        self._sample: float | None = None
        # When the next sample is due: after so many prepared executions, and seconds of them.
        self._sample_calls = FIRST_SAMPLE
        self._sample_total = 0.0

    def begin_anew(self) -> None:
        """Take another lock, in a forked child: another thread may have held it."""
        # A thread may come back in the middle of a note, when it collects what has a connection
        # in it: the return tells us what that executed. Such a note is dropped.
        self._lock = threading.RLock()
        self._noting = False

    def rests(self) -> bool:
        """Return whether the statement is given up, and not to be tried again by now.

        Then it counts the execution that is about to be, of which nothing need be told.
        """
        if self.reason is None or self._clock() >= self.retry_at:
            return False
        self.unprepared.calls += 1
        return True

    def turn(self) -> bool:
        """Return whether the next execution, which does not rest, is to be prepared.

        Asked where it is not `trusted`.
        """
        with self._lock:
            if self.reason is not None and self._clock() >= self.retry_at:
                self.reason = None
                self._strikes, self._row, self._since, self._owed = 0, STRIKES - 1, 0, 0
                self._trust()
            return self.trusted

    def note_prepared(
        self, last: float, calls: int = 1, seconds: float | None = None, by: object = None
    ) -> str | None:
        """Note prepared executions that went well, the *last* of which may have been slow.

        *by* stands for the connection, where there are several.

        Returns why the statement is given up, if it is now. Several *calls* may be noted at
        once, with the sum of their *seconds*, if none before the last took longer than `limit`.
        """
        with self._lock:
            if self._noting:
                return None
            try:
                self._noting = True
                return self._note_prepared(last, calls, last if seconds is None else seconds, by)
            finally:
                self._noting = False

    def note_unprepared(self, seconds: float) -> str | None:
        """Note an unprepared execution that went well; return what `note_prepared` does."""
        if self.reason is not None:  # nothing is compared now
            self.unprepared.calls += 1
            return None
        with self._lock:
            if self._noting:
                return None
            try:
                self._noting = True
                return self._note_unprepared(seconds)
            finally:
                self._noting = False

    def give_up(self, reason: str) -> None:
        """Run the statement unprepared, for a while."""
        with self._lock:
            self._give_up(reason)

    def seconds_to_retry(self) -> float | None:
        """Return the seconds until it is tried again, or None where it is not given up."""
        return None if self.reason is None else max(0.0, self.retry_at - self._clock())

    # -- with the lock held ---------------------------------------------------------------

    def _note_prepared(self, last: float, calls: int, seconds: float, by: object) -> str | None:
        times = self.prepared
        times.add(last, calls, seconds)
        if self.reason is not None:  # it began before the statement was given up
            return None
        self._since += calls
        if self._sample is not None and (reason := self._compare(last, self._sample)):
            return reason
        if 0.0 < self._slow < last:
            return self._strike(last, calls, by)
        if self._standing.pop(by, None):
            self._tell_again()
        if self._since > IN_A_ROW:
            self._row = 0
        if self._since >= CLOSE and self._strikes:
            if self._strikes > 1:
                self._be_patient()
            self._strikes = 0
            self._standing.clear()
            self._tell_again()
        if self._patience > 1.0 and times.calls >= self._calm_at:
            self._patience /= 2
            self._calm_at = times.calls + CALM
            self._set_limit()
        if not self.unprepared.calls and times.calls >= FEW:
            self._set_limit()
        if times.calls >= self._sample_calls and times.total >= self._sample_total:
            self._owe(1)
        return None

    def _strike(self, seconds: float, calls: int, by: object) -> str | None:
        apart, self._since = self._since, 0
        self._calm_at = self.prepared.calls + CALM
        self._strikes = self._strikes + 1 if apart < CLOSE else 1
        self._row = self._row + 1 if apart <= IN_A_ROW else 1
        if by is not None:
            self._standing[by] = self._standing.get(by, 0) + 1 if calls == 1 else 1
            self._tell_again()
        if self._is_enough() and not self._owed:
            return self._give_up(f"took {_shown(seconds)} prepared, {self._usually()}")
        if self._in_a_row() == STRIKES - 1 or self._strikes == SCATTERED - 1:
            self._owe(max(EVIDENCE, EVIDENCE_EACH * apart))
        return None

    def _in_a_row(self) -> int:
        return max(self._row, sum(self._standing.values()))

    def _is_enough(self) -> bool:
        return self._in_a_row() >= STRIKES or self._strikes >= SCATTERED

    def _tell_again(self) -> None:
        # A fast one on a connection that had slow ones is told of at once.
        self.limit = 0.0 if self._standing else self._slow

    def _be_patient(self) -> None:
        self._patience = min(2 * self._patience, MOST_PATIENCE)
        self._set_limit()

    def _note_unprepared(self, seconds: float) -> str | None:
        times = self.unprepared
        times.add(seconds, 1, seconds)
        if 0.0 < self._slow < seconds:
            self._excuses += 1
            if self._excuses == EXCUSES:
                self._strikes = self._row = self._owed = 0
                self._standing.clear()
                self._be_patient()
        self._set_limit()
        self._sample_calls = 0
        self._sample_total = self.prepared.total + seconds / SHARE
        if self._owed > 1:
            self._owed -= 1
            return None
        if self._is_enough():  # others were under way when the doubt arose
            return self._give_up(f"was slow {self._strikes} times prepared, {self._usually()}")
        self._owed = 0
        self._trust()
        self._sample = seconds
        self.limit = 0.0  # so that the next execution is told of at once
        return None

    def _compare(self, prepared: float, sample: float) -> str | None:
        self._sample = None
        self._set_limit()
        self._ratios.append(prepared / max(sample, 1e-9))
        if sum(ratio > DRIFT for ratio in self._ratios) < MANY:
            return None
        return self._give_up(f"usually takes {median(self._ratios):.1f} times as long prepared")

    def _owe(self, samples: int) -> None:
        self._owed, self._excuses = samples, 0
        self.trusted = False

    def _trust(self) -> None:
        self.trusted = self.reason is None

    def _set_limit(self) -> None:
        usual = self.unprepared.usual()
        if usual is None:
            usual = self.prepared.usual()
        if usual is not None:
            self._slow = self._patience * (FACTOR * usual + FLOOR)
        if len(self.unprepared.recent) > 1:
            # What takes as long unprepared, more than once, is not slow.
            self._slow = max(self._slow, DRIFT * sorted(self.unprepared.recent)[-2])
        self._tell_again()

    def _give_up(self, reason: str) -> str:
        self.reason = reason
        self.trusted = False
        self.given_up += 1
        self.retry_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self.prepared.recent.clear()
        self._ratios.clear()
        self._standing.clear()
        self._sample = None
        return reason

    def _usually(self) -> str:
        usual = self.unprepared.usual()
        return "unprepared unknown" if usual is None else f"unprepared {_shown(usual)}"


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
