"""What reports are made of: who holds a connection, and what became too much."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

#: The words of PostgreSQL's ``pg_stat_activity``, by transaction status.
STATES: Final = (
    "idle",
    "active",
    "idle in transaction",
    "idle in transaction (aborted)",
    "broken",
)

Kind = Literal["held", "idle in transaction"]

_UNKNOWN: Final = "an unknown line"


@dataclass(frozen=True, slots=True)
class Holder:
    """One connection that is lent, and its borrower.

    Places are lines like ``/app/views.py:12 in checkout``: the application's first, then those
    of libraries, the innermost on top; empty where nothing is known.
    """

    pool: str
    #: The name of the thread that borrowed it.
    borrower: str
    #: The server process, as it was told at connect.
    backend_pid: int | None
    #: One of `STATES`.
    state: str
    #: Seconds since it was checked out.
    held_for: float
    #: Seconds since the last statement in an open transaction ended; None outside of one, while
    #: a statement runs, and where it is not known.
    idle_for: float | None
    #: Where the borrower checked it out, made its last cursor and executed last.
    checked_out: tuple[str, ...]
    cursor: tuple[str, ...]
    query: tuple[str, ...]
    #: What it executed last or executes, without literals, where queries are counted; else None.
    statement: str | None
    #: Where the connection was opened, perhaps by an earlier borrower.
    opened: tuple[str, ...]
    #: Where its borrower is now, or in parentheses why that cannot be told.
    doing: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def in_short(self) -> str:
        """Return the three places on one line."""
        places = (
            f"checked out at {_first(self.checked_out)}, last cursor at {_first(self.cursor)},"
            f" last query at {_first(self.query)}"
        )
        return f"{places}; now at {self.doing[0]}" if self.doing else places

    def __str__(self) -> str:
        idle = "" if self.idle_for is None else f" for {self.idle_for:.1f} s"
        pid = "" if self.backend_pid is None else f", server process {self.backend_pid}"
        head = f"pool {self.pool!r}: held for {self.held_for:.1f} s by thread {self.borrower}"
        lines = [f"{head}, {self.state}{idle}{pid}"]
        if self.statement is not None:
            lines.append(f"  last statement: {self.statement}")
        for title, places in (
            ("checked out", self.checked_out),
            ("last cursor", self.cursor),
            ("last query", self.query),
            ("now", self.doing),
            ("opened", self.opened),
        ):
            if places:
                lines += [f"  {title}:", *(f"    {place}" for place in places)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A lease that lasts, or is idle in a transaction, for longer than the pool's threshold."""

    kind: Kind
    #: Whether it is over.
    ended: bool
    #: How long it has lasted.
    seconds: float
    holder: Holder

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON; the holder's among them."""
        own = {"kind": self.kind, "ended": self.ended, "seconds": self.seconds}
        return {**own, **self.holder.as_dict()}

    def __str__(self) -> str:
        holder = self.holder
        state = "held" if self.kind == "held" else holder.state
        what = f"no longer {state}, after" if self.ended else f"{state} for"
        return (
            f"pool {holder.pool!r}: a connection is {what} {self.seconds:.1f} s,"
            f" by thread {holder.borrower}: {holder.in_short()}"
        )


def _first(places: tuple[str, ...]) -> str:
    return places[0] if places else _UNKNOWN
