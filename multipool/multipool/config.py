"""Every option of a pool: its default, its unit, its bounds, and why it is there.

`PoolConfig` refuses what it does not know and what is out of bounds; nothing is
clamped. The names are psycopg_pool's where it has the option.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Self

from multipool.budget.options import check as _budget
from multipool.conninfo import did_you_mean
from multipool.errors import PoolConfigError
from multipool.fleet.options import check as _fleet
from multipool.plans.options import check as _prepare
from multipool.seconds import LONGEST, is_seconds
from multipool.watch.comments import check as _comments
from multipool.watch.tracing import TRACES

#: ``max_size`` of a pool without a bound: spelled out, so that nobody gets it by accident.
UNLIMITED: Final = "unlimited"

#: psycopg_pool's options that are accepted, for those who come from there, and do nothing.
WITHOUT_EFFECT: Final = {
    "num_workers": "connections are opened by those who need them, at the same time",
    "open": "a pool opens its connections when they are needed, min_size at once",
}

#: The ways to bring a session back to what it was; else SQL text or a callable.
RESETS: Final = ("auto", "always", "never")

Check = Callable[[Any], str | None]
Hook = Callable[[Any], object]
#: Called with a `multipool.watch.records.Trouble`.
TroubleHook = Callable[[Any], object]
#: Called with the `Pool`.
PoolHook = Callable[[Any], object]


def _seconds(at_least: float, *, or_: tuple[object, ...] = (), above: bool = False) -> Check:
    """Accept seconds from *at_least* (or only *above* it) or one of the values *or_*."""
    alternatives = "".join(f" or {value!r}" for value in or_)
    bound = f"greater than {at_least:g}" if above else f"of at least {at_least:g}"

    def check(value: Any) -> str | None:
        if value in or_:
            return None
        if is_seconds(value) and (value > at_least if above else value >= at_least):
            return None
        return f"a number {bound}{alternatives}, and at most {LONGEST}"

    return check


def _integer(at_least: int, *, or_: tuple[object, ...] = ()) -> Check:
    alternatives = "".join(f" or {value!r}" for value in or_)

    def check(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool):
            if value >= at_least:
                return None
        elif value in or_:
            return None
        return f"an integer of at least {at_least}{alternatives}"

    return check


def _hook(value: Any) -> str | None:
    return None if value is None or callable(value) else "a callable that takes one argument"


def _one_of(*allowed: object) -> Check:
    def check(value: Any) -> str | None:
        known = any(value == one and type(value) is type(one) for one in allowed)
        return None if known else " or ".join(map(repr, allowed))

    return check


def _reset(value: Any) -> str | None:
    if callable(value) or (isinstance(value, str) and (value in RESETS or " " in value.strip())):
        return None
    return f"{', '.join(map(repr, RESETS))}, SQL text, or a callable that takes the connection"


def _name(value: Any) -> str | None:
    ok = value is None or (isinstance(value, str) and value.strip())
    return None if ok else "a string that is not empty"


def _option(default: Any, check: Check) -> Any:
    return field(default=default, metadata={"check": check})


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """The options of one pool. All times are in seconds.

    Raises `PoolConfigError` for a value out of bounds; `from_options` also for a
    name that is no option.
    """

    name: str | None = _option(None, _name)
    """Shown in every message and metric. None: ``pool-1``, ``pool-2``, ..."""

    min_size: int = _option(0, _integer(0))
    """Connections kept open even when idle. 0: a process that does nothing holds nothing."""

    max_size: int | Literal["unlimited"] = _option(10, _integer(1, or_=(UNLIMITED,)))
    """Connections at most, whatever the threads do. ``"unlimited"``: no bound."""

    timeout: float = _option(30.0, _seconds(0))
    """How long a checkout may take, waiting and connecting together. 0: now or never."""

    max_waiting: int = _option(0, _integer(0))
    """How many may wait at once before `TooManyWaiting` is raised. 0: no bound."""

    max_lifetime: float | None = _option(3600.0, _seconds(0, or_=(None,), above=True))
    """A connection older than this is replaced, so that fail-overs, new DNS answers and a
    backend's grown memory are picked up. Each gets up to 5 % less, so that they do not
    all end at once. None: for ever."""

    max_idle: float | None = _option(600.0, _seconds(0, or_=(None,), above=True))
    """A connection idle for longer is closed while more than ``min_size`` are open. None: kept."""

    check_after: float = _option(0.05, _seconds(0))
    """Where nobody watches its socket, one last lent longer ago is looked at when it is lent
    again. No round trip. With the upkeep thread on Linux that is so only while all is quiet."""

    reconnect_timeout: float = _option(300.0, _seconds(0, above=True))
    """When the server has accepted no connection for so long, and was asked for one all the while,
    ``reconnect_failed`` is called."""

    reconnect_failed: PoolHook | None = _option(None, _hook)
    """Called with the pool, once in an outage, from a helper thread, inline from whoever calls the
    pool. The pool goes on trying."""

    configure: Hook | None = _option(None, _hook)
    """Called once with each new connection, before its first lease. It must leave no
    transaction open. What it sets is what every borrower finds; if it returns False, it has set
    nothing that the server keeps, and a round trip is saved. If it raises, the connection is
    closed and the caller gets the error."""

    check: Hook | None = _option(None, _hook)
    """Called with an idle connection at each checkout. If it raises an error of the driver's,
    that connection is closed and another is tried; anything else reaches the caller."""

    reset: Literal["auto", "always", "never"] | str | Hook = _option("auto", _reset)
    """What is done to a session, beyond the rollback, when a connection comes back.
    ``"auto"``: it is reset if its borrower was seen to touch it. ``"always"``: each time, at
    the price of a round trip; the guarantee, for tenants. ``"never"``: nothing. SQL text is
    run, a callable is called, each time; it must leave no transaction open, and if it raises,
    the connection is closed and replaced."""

    on_connect: Hook | None = _option(None, _hook)
    """Called with each new connection once it is configured. An error closes it and reaches
    the caller."""

    on_checkout: Hook | None = _option(None, _hook)
    """Called with each connection that is about to be lent, by the thread that gets it. An
    error gives the connection back and reaches the caller."""

    on_return: Hook | None = _option(None, _hook)
    """Called with each connection that came back and is clean. An error closes it, is
    logged, and reaches nobody."""

    on_close: Hook | None = _option(None, _hook)
    """Called with each connection before it is closed for good. An error is logged."""

    prepare: Mapping[str, Any] | None = _option(None, _prepare)
    """Which statements are prepared by themselves: ``{"threshold": 5, "max": 100}`` means those
    executed 5 times on a connection, at most 100 there, the least recently used of which go
    first; ``"limits": True`` makes trailing LIMIT and OFFSET numbers parameters. None: only what
    `Pool.prepare` names."""

    use_time: bool = _option(False, _one_of(True, False))
    """Measure how long each lease lasts, for ``stats().use_time`` and the metric
    ``db.client.connection.use_time``. Checkouts and returns then go the slower way."""

    trace: Literal["auto", "full", False] = _option("auto", _one_of(*TRACES))
    """What is kept of where a connection was checked out and used. ``"auto"``: the calling frame,
    and whole stacks while the pool is under pressure. ``"full"``: whole stacks, always. False:
    nothing, not even when a transaction became idle."""

    held_after: float | None = _option(30.0, _seconds(0, or_=(None,), above=True))
    """A connection that is lent for longer is logged, with the line that checked it out and those
    of its last cursor and query, and once more when it is back. None: never."""

    idle_in_transaction_after: float | None = _option(5.0, _seconds(0, or_=(None,), above=True))
    """The same for one whose borrower leaves a transaction open, a failed one perhaps, and
    executes nothing for longer: its locks stay, and the server cannot clean up. None: never."""

    on_trouble: TroubleHook | None = _option(None, _hook)
    """Called with each `Trouble` that is logged for the two above, when it begins and when it has
    ended; from a helper thread, inline from whoever calls the pool. An error is logged."""

    report_every: float | None = _option(None, _seconds(1, or_=(None,)))
    """Log what `Pool.as_table` returns, and of `Pool.queries` the top, whenever so much time has
    passed. None: never."""

    queries: bool = _option(False, _one_of(True, False))
    """Count what is executed, by statement and line of code, for `Pool.queries`. Each execution
    costs some microseconds more, so a pool made by hand does not; Django's do. Like `comments`
    refused with a driver that does not tell what is executed."""

    comments: bool | Mapping[str, str] = _option(False, _comments)
    """Append to each statement the line of code that executes it, as sqlcommenter does, so that
    the server's log and ``pg_stat_activity`` show it. A dict: with these further tags."""

    fleet: bool | Mapping[str, Any] = _option(False, _fleet)
    """Show this pool to the fleet: its process writes a row into the database it connects to, so
    that `multipool.fleet.read` finds it there. ``{"app": "shop", "every": 10}`` names the
    application, and the seconds between two beats while all is well. What it needs on the server,
    ``multipool fleet install`` makes."""

    budget: int | Literal["auto"] | None = _option(None, _budget)
    """Connections at most for all pools of this application together, in all processes on all
    machines: those with the same ``app`` in `fleet`, which this turns on. They share them by their
    needs; one for each machine is kept for asking. ``"auto"``: as many as the server has for them.
    `max_size` still bounds this pool. None: no more than `max_size` says."""

    upkeep: Literal["thread", "inline"] = _option("thread", _one_of("thread", "inline"))
    """Who ends lifetimes and fills up: one daemon thread for all pools of the process, or
    whoever calls into the pool next."""

    strict: bool = _option(False, _one_of(True, False))
    """Lend single-use proxies: a stale reference to a lease raises instead of meeting the
    next borrower's transaction. Each use of the connection costs a little more."""

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            expected = option.metadata["check"](value)
            if expected is not None:
                raise PoolConfigError(
                    f"{self._who()}option {option.name}={value!r}: must be {expected}"
                )
        if self.budget is not None and not self.fleet:
            object.__setattr__(self, "fleet", True)
        if isinstance(self.max_size, int) and self.min_size > self.max_size:
            raise PoolConfigError(
                f"{self._who()}option min_size={self.min_size}: must not be greater than"
                f" max_size={self.max_size}"
            )

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return the configuration for *options*; names that are no option are refused."""
        known = cls.names()
        for name in options:
            if name not in known:
                who = f"pool {options['name']!r}: " if options.get("name") else ""
                raise PoolConfigError(
                    f"{who}unknown option {name!r}{did_you_mean(name, known)};"
                    f" allowed: {', '.join(known)}"
                )
        return cls(**options)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all options, in the order of the documentation."""
        return [option.name for option in fields(cls)]

    def replace(self, **changes: Any) -> Self:
        """Return a copy with *changes*, checked in the same way."""
        return replace(self, **changes)

    @property
    def limit(self) -> float:
        """``max_size`` as a number: infinity when unlimited."""
        return math.inf if self.max_size == UNLIMITED else self.max_size

    def _who(self) -> str:
        return f"pool {self.name!r}: " if isinstance(self.name, str) else ""
