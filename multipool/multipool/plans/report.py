"""What `Pool.plans` tells of a statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multipool.plans.statement import Statement


@dataclass(frozen=True, slots=True)
class PlanReport:
    """One statement of a pool at one moment. All times are in seconds."""

    #: Its text; without LIMIT and OFFSET where these are parameters. The `repr` leaves it out,
    #: since literals may stand in it; the `str` has none.
    sql: str = field(repr=False)
    #: ``"prepared"``; ``"watched"``: not yet, since nobody asks for it, or it has not been
    #: executed often enough; ``"given up"``; ``"off"``: nothing is prepared in this pool.
    state: str
    #: Why it is given up or off; of others why it was last executed unprepared, or None.
    reason: str | None
    #: Whether `Pool.prepare` asks for it now.
    asked: bool
    #: Executions that went well, prepared and not.
    calls: int
    unprepared_calls: int
    #: The median of the latest, not prepared and prepared; None where there is none.
    before: float | None
    after: float | None
    #: How many times faster it is prepared: ``before / after``; None where one is not known.
    gain: float | None
    #: How often it was given up, and the seconds until it is tried again.
    times_given_up: int
    retry_in: float | None
    #: The statement for a reader: shortened, and without literals.
    shown: str

    def __str__(self) -> str:
        gain = "" if self.gain is None else f", {self.gain:.1f} times as fast as unprepared"
        why = "" if self.reason is None else f" ({self.reason})"
        return f"{self.state}{why}, {self.calls} calls prepared{gain}: {self.shown}"


def report_on(statement: Statement, off: str | None) -> PlanReport:
    """Return what is known of *statement*; *off* says why nothing is prepared in its pool."""
    guard = statement.guard
    before, after = guard.unprepared.usual(), guard.prepared.usual()
    if off is not None:
        state = "off"
    elif guard.reason is not None:
        state = "given up"
    elif guard.prepared.calls and statement.wanted:
        state = "prepared"
    else:
        state = "watched"
    return PlanReport(
        sql=statement.sql,
        state=state,
        reason=off or guard.reason or statement.obstacle,
        asked=statement.asked > 0,
        calls=guard.prepared.calls,
        unprepared_calls=guard.unprepared.calls,
        before=before,
        after=after,
        gain=before / after if before and after else None,
        times_given_up=guard.given_up,
        retry_in=guard.seconds_to_retry(),
        shown=statement.shown(),
    )
