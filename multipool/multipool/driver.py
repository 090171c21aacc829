"""The contract between the pool and a database driver, and how a driver is found.

The pool core knows no driver: whatever it must ask of a connection goes through
one `Driver` object. An adapter package offers such an object through the entry
point group ``multipool.drivers``::

    [project.entry-points."multipool.drivers"]
    psycopg2 = "multipool_psycopg2:driver"

`multipool.testing.compliance` holds the suite that every adapter passes. The idea
of a core that is handed its back end comes from httpcore, that of a shipped
compliance suite from SQLAlchemy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Final

from multipool import conninfo
from multipool.errors import PoolConfigError

GROUP: Final = "multipool.drivers"

# What `Driver.status` answers: libpq's PGTransactionStatusType. Plain numbers, since
# the pool asks at every return and only "is it zero?" matters there.
IDLE: Final = 0
ACTIVE: Final = 1
INTRANS: Final = 2
INERROR: Final = 3
UNKNOWN: Final = 4


# What `Pooled.touch` was told of.
CLIENT: Final = 1
SESSION: Final = 2
#: A cursor WITH HOLD that is open; see `multipool.held_cursors`.
HELD_CURSOR: Final = 4
#: What only a reset takes away.
ON_SERVER: Final = SESSION | HELD_CURSOR

# What `Driver.failure` answers.
REFUSAL: Final = "refusal"
OUTAGE: Final = "outage"
FULL: Final = "full"


class Pooled:
    """Mixin for an adapter's connection class: `close` gives a leased connection back.

    Put it in front of the driver's own class::

        class Connection(Pooled, psycopg2.extensions.connection): ...

    The class must accept weak references and new attributes.
    """

    #: The pool's `Slot` while a pool owns the connection, else None. A class that declares it
    #: in ``__slots__`` too, and sets it to None at first, saves the pool some of its time.
    _multipool_slot: Any = None

    #: What is prepared on it (`multipool.plans.shelf.Shelf`) where the pool has plans, else None.
    _multipool_shelf: Any = None

    #: What sees its cursors and executions (`multipool.watch.sight.Sight`) where anybody watches,
    #: else None.
    _multipool_sight: Any = None

    #: Its open cursors WITH HOLD (`multipool.held_cursors.HeldCursors`), if there ever was one.
    _multipool_held: Any = None

    #: Whether it is being set up, so that the settings of one's own which that names are noted, see
    #: `multipool.session.note_names`; and those that were.
    _multipool_noting = False
    _multipool_named: frozenset[str] = frozenset()

    def touch(self, what: int = SESSION) -> None:
        """Note that the session is not any more as the pool made it.

        The adapter calls this when it sees its user change what outlives a transaction:
        `SESSION` for what the server keeps (SET, LISTEN, temporary tables, ...), `CLIENT` for
        what the driver keeps (autocommit, row factory, ...). The pool then resets it on return.
        """
        slot = self._multipool_slot
        if slot is not None:
            slot.touched |= what
            slot.wary = True

    def touch_unless_settled(self) -> None:
        """`touch` the client's side, unless who has the lease is sure to `settle` it.

        For what each query does, and a glance at the end of the lease can find out: the adapter
        that calls this overrides `settle`.
        """
        slot = self._multipool_slot
        if slot is not None and slot.settled_lease != slot.serial:
            slot.touched |= CLIENT
            slot.wary = True

    def settle(self) -> None:
        """Touch the client's side if `touch_unless_settled` would have had reason to.

        Called at the end of a lease by who has promised it, with ``slot.settled_lease``, which
        is 0 again then; else by the pool, when the connection comes back. No round trip.
        """

    def private_cursor(self) -> Any:
        """Return a new cursor for who shows it to nobody.

        An adapter whose ``cursor`` touches, since who has a cursor may register types on the
        connection by it, leaves that out here.
        """
        return self.cursor()  # type: ignore[attr-defined]  # the driver's

    def close(self) -> None:
        """Return a pooled connection to its pool; close any other for good.

        Raises `PoolError` when the connection was returned already.
        """
        slot = self._multipool_slot
        if slot is None:
            super().close()  # type: ignore[misc]  # the driver's class, behind us in the MRO
        else:
            slot.give_back(self)


class Driver(ABC):
    """What the pool asks of a database driver.

    One object serves every pool of the process, from any thread, and keeps no state
    of its own about connections. Unless a method says otherwise it is called without
    any lock held, by the thread that has the connection to itself, and may raise
    whatever the driver raises.
    """

    #: The name of its entry point, as in ``Pool(..., driver="psycopg2")``.
    name: ClassVar[str]

    #: What its server is called in OpenTelemetry's conventions (``db.system.name``).
    system: ClassVar[str] = "postgresql"

    #: The PEP 249 classes of the driver. Errors of the pool are also instances of
    #: ``OperationalError``, so that a user's ``except`` clauses go on working.
    Error: ClassVar[type[Exception]]
    InterfaceError: ClassVar[type[Exception]]
    DatabaseError: ClassVar[type[Exception]]
    OperationalError: ClassVar[type[Exception]]

    # -- parameters ------------------------------------------------------------

    def parse_dsn(self, dsn: str) -> dict[str, Any]:
        """Return the parameters in *dsn*, a libpq URI or ``key=value`` string.

        Called when a pool is made and, with a callable, before each connect. A
        database that is not PostgreSQL reads its own form here. Raises
        `PoolConfigError`, whose text never repeats a value from the DSN.
        """
        return conninfo.parse(dsn)

    @abstractmethod
    def check_params(self, params: Mapping[str, Any]) -> None:
        """Refuse what `connect` would not understand, before anything is connected.

        Raises `PoolConfigError` that names the parameter and those allowed, and
        never a value of ``password`` or its like.
        """

    # -- a connection's life -----------------------------------------------------

    @abstractmethod
    def connect(self, params: Mapping[str, Any], timeout: float | None) -> Any:
        """Open a connection; blocks for at most about *timeout* seconds (None: no limit).

        The result is an instance of the driver's own connection class and of
        `Pooled`, in the state a user of the driver expects (autocommit off, ...).
        A driver that can only wait in whole seconds rounds up. Raises the driver's
        own error.
        """

    @abstractmethod
    def close(self, conn: Any) -> None:
        """Close for good, telling the server so. Never raises, whatever is broken."""

    @abstractmethod
    def abandon(self, conn: Any) -> None:
        """Let go of a connection that a parent process owns, without a word on its socket.

        Called in a forked child. Nothing may be sent; the child's copy of the file
        descriptor may be closed or left. Never raises.
        """

    @abstractmethod
    def status(self, conn: Any) -> int:
        """Return the transaction status: `IDLE`, `ACTIVE`, `INTRANS`, `INERROR` or `UNKNOWN`.

        Called at every return, so: no round trip, no system call, and never raises. A closed
        or broken connection is `UNKNOWN`.
        """

    @abstractmethod
    def fileno(self, conn: Any) -> int:
        """Return the socket's file descriptor, or -1 if there is none (any more)."""

    @abstractmethod
    def drain(self, conn: Any) -> bool:
        """Read what the server sent unasked (NOTIFY, notices); return whether it is alive.

        Called when the socket of an idle connection is readable. Does not block. What
        was read is not lost: notifications stay in the driver's own place for them.
        """

    @abstractmethod
    def rollback(self, conn: Any) -> None:
        """End the transaction, if any; afterwards `status` is `IDLE`. One round trip at most.

        Raises if it cannot: the pool then throws the connection away.
        """

    def is_behind(self, conn: Any) -> bool:
        """Return whether the driver believes in a transaction that the server has not.

        Asked when a connection comes back whose `status` is `IDLE`, and of which the lease was
        seen to touch something; `rollback` is called where it does. An adapter to a driver that
        keeps books of its own overrides this: these are wrong when its user has executed COMMIT or
        ROLLBACK, and the next borrower's first statement would run without a transaction. So it
        also calls `Pooled.touch` (`CLIENT`, or `touch_unless_settled`) wherever that may happen:
        of what was not touched nobody need ask. No round trip.
        """
        return False

    @abstractmethod
    def commit(self, conn: Any) -> None:
        """Commit the transaction, if any. Raises the driver's error if it cannot."""

    @abstractmethod
    def cancel(self, conn: Any) -> None:
        """Ask the server to cancel the running query. Called from another thread.

        Returns once the request is sent; the query's own thread gets the error.
        """

    @abstractmethod
    def execute(self, conn: Any, sql: str) -> None:
        """Run *sql* without parameters and forget its result, outside of any transaction.

        Called on an idle connection, whatever its autocommit; leaves it `IDLE` and its
        autocommit as it was.
        """

    #: Whether it can `ask`.
    asks: ClassVar[bool] = False

    def ask(self, conn: Any, sql: str, *values: str) -> str | None:
        """Return, as text, the one value that the query *sql* has for *values*.

        Called where `asks` is True, on an idle connection, whatever its autocommit, row and
        cursor factories, and leaves all that as it was. *sql* has a ``%s`` for each value.
        One round trip; nothing is prepared, and nobody who observes statements sees it.
        """
        raise NotImplementedError(f"driver {self.name!r} cannot ask for a value")

    @abstractmethod
    def set_parameter(self, conn: Any, name: str, value: str) -> None:
        """Run a session ``SET name TO value``, outside of any transaction.

        *value* arrives as one literal, whatever it holds. Leaves the connection `IDLE`.
        """

    @abstractmethod
    def remember(self, conn: Any, configured: bool = False) -> Any:
        """Return what `restore` and `reset` need to bring *conn* back to how it is now.

        Called once for each connection. *configured* tells that the pool's ``configure`` ran,
        which may have set what the server keeps: only then this may cost a round trip.
        """

    @abstractmethod
    def restore(self, conn: Any, settings: Any) -> None:
        """Put the client's side back to what `remember` saw. No round trip.

        Isolation level, read-only, autocommit, cursor and row factories, adapters, notice
        handlers; and forget the notifications that were read. Called on an idle connection.
        Raises if it cannot: the pool then throws the connection away.
        """

    @abstractmethod
    def reset(self, conn: Any, settings: Any) -> None:
        """Put the server's side back to what `remember` saw. One round trip.

        Settings, role, prepared statements, temporary tables, LISTEN, advisory locks,
        cursors WITH HOLD. Called on an idle connection, which stays so. Raises if it cannot.
        """

    @abstractmethod
    def parameter_status(self, conn: Any, name: str) -> str | None:
        """Return what the server last reported for *name* (``TimeZone``, ...). No round trip."""

    @abstractmethod
    def backend_pid(self, conn: Any) -> int | None:
        """Return the server process's id as told at connect. No round trip."""

    def piggyback_begin(self, conn: Any) -> None:  # noqa: B027  # the default is to leave it alone
        """From now on send a transaction's BEGIN together with its first statement, if possible.

        Called on an idle connection by who knows that its users end transactions with
        ``commit`` and ``rollback`` alone, as Django does. No round trip. What such a user sees
        must not change; a driver that cannot, or always does, leaves it at this.
        """

    #: Whether it can prepare statements, see `use_plans`.
    prepares: ClassVar[bool] = False

    def use_plans(self, conn: Any, shelf: Any) -> None:
        """From now on execute prepared what *shelf* (`multipool.plans.shelf.Shelf`) says.

        Called where `prepares` is True, once for each connection, from any thread, be it lent
        or idle: what is under way ends as it began. Sets ``conn._multipool_shelf``. From then on
        each execution asks it before (`quick`, `find`, `wants`) and tells it afterwards
        (`be_quick` and `tell`, `note_unprepared`, `look_at`). No round trip. A connection on
        which this was not called pays nothing for it.
        """
        raise NotImplementedError(f"driver {self.name!r} prepares no statements")

    def observe(self, conn: Any, sight: Any) -> None:  # noqa: B027  # as above
        """From now on tell *sight* (`multipool.watch.sight.Sight`) what *conn* executes.

        Called once for each connection, from any thread; what is under way ends as it began.
        Sets ``conn._multipool_sight``, has the connection's cursors be of classes with
        `multipool.watch.cursor.Observed` in front, and has whatever makes one call
        ``cursor_made`` of it. A connection on which this was not called
        pays nothing for it. A driver may leave it at this: then reports do not say where a
        cursor was made or a statement executed, and the options `queries` and `comments` are
        refused.
        """

    def has_rows(self, cursor: Any) -> bool:
        """Return whether the last statement of *cursor* has a result to fetch.

        An adapter overrides it where the driver's ``description`` is dear.
        """
        return cursor.description is not None

    # -- errors ------------------------------------------------------------------

    @abstractmethod
    def sqlstate(self, error: BaseException) -> str | None:
        """Return the five-letter SQLSTATE of *error*, or None where the driver was given none."""

    @abstractmethod
    def failure(self, error: BaseException) -> str:
        """Judge why `connect` failed.

        `REFUSAL`: the server answered and will answer the same again (wrong password, no
        such database); also whatever is not recognised, since storms of attempts lock
        accounts. `OUTAGE`: nobody answered, or the server is starting or stopping. `FULL`:
        too many connections.
        """


def observes(driver: Driver) -> bool:
    """Return whether *driver* tells what its connections execute, see `Driver.observe`."""
    return type(driver).observe is not Driver.observe


def drivers() -> list[str]:
    """Return the names of the drivers whose adapters are installed, sorted.

    An adapter is listed even if the driver it adapts is not installed.
    """
    return sorted(entry.name for entry in _adapters().values())


def get_driver(driver: str | Driver) -> Driver:
    """Return the `Driver` called *driver*; a `Driver` object is returned as it is.

    Raises `PoolConfigError` if there is no such adapter, or if the database driver
    that it adapts is not installed (the message then says what to install).
    """
    if isinstance(driver, Driver):
        return driver
    if not isinstance(driver, str):
        raise PoolConfigError(
            f"driver must be a name or a Driver object, not {type(driver).__name__};"
            f" known: {_known()}"
        )
    return _load(driver)


@lru_cache
def _adapters() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _known() -> str:
    return ", ".join(drivers()) or "none is installed"


@lru_cache
def _load(name: str) -> Driver:
    entry = _adapters().get(name)
    if entry is None:
        near = conninfo.did_you_mean(name, drivers())
        raise PoolConfigError(f"unknown driver {name!r}{near}; known: {_known()}")
    try:
        loaded = entry.load()
    except ImportError as error:  # not there, or a library that it needs is not
        hint = f'; pip install "multipool[{name}]"' if entry.value.startswith("multipool_") else ""
        raise PoolConfigError(f"driver {name!r} cannot be loaded: {error}{hint}") from error
    except AttributeError as error:
        raise PoolConfigError(f"driver {name!r}: there is no {entry.value}") from error
    if not isinstance(loaded, Driver):
        raise PoolConfigError(
            f"driver {name!r}: {entry.value} is a {type(loaded).__name__}, not a multipool Driver"
        )
    return loaded
