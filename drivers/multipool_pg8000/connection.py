"""The connection: PEP 249, with psycopg2's additions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from multipool.driver import CLIENT, IDLE, SESSION, Pooled
from multipool.session import note_names, touches
from multipool_pg8000 import cancelling, errors, messages, session
from multipool_pg8000.adapters import Adapters
from multipool_pg8000.binding import Prepared
from multipool_pg8000.cursor import Cursor
from multipool_pg8000.defaults import adapters as process_adapters
from multipool_pg8000.encodings import codec_of
from multipool_pg8000.info import ConnectionInfo
from multipool_pg8000.named import named_class
from multipool_pg8000.observed import observed, observed_named
from multipool_pg8000.planned import planned
from multipool_pg8000.results import FindLoaders, Result
from multipool_pg8000.tpc import TwoPhase
from multipool_pg8000.wire import Wire

if TYPE_CHECKING:
    from multipool_pg8000.connecting import Address

_COMMIT = messages.query(b"COMMIT")
_ROLLBACK = messages.query(b"ROLLBACK")


class Connection(Pooled, TwoPhase, Wire):
    """A connection to PostgreSQL. Threads may share it: each statement waits its turn."""

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(
        self,
        address: Address,
        sock: Any,
        user: str,
        password: str | None,
        startup: dict[str, str],
        *,
        binding: str = "server",
        cursor_factory: type[Cursor] = Cursor,
        autocommit: bool = False,
    ) -> None:
        #: Where the server is, for `info` and for cancelling.
        self.address = address
        self._binding = binding
        self._cursor_factory = cursor_factory
        #: This connection's own dumpers and loaders, over the process's.
        self.adapters = Adapters(process_adapters)
        self._autocommit = autocommit
        self._isolation: session.IsolationLevel | None = None
        self._readonly: bool | None = None
        self._deferrable: bool | None = None
        self._begin = session.begin(None, None, None)
        # Those of the three above that the session's defaults were set to, see `set_session`.
        self._told: frozenset[str] = frozenset()
        super().__init__(sock, user, password, startup)

    # -- statements and transactions ------------------------------------------------------

    def run(
        self,
        prepared: Prepared,
        *,
        find_loaders: FindLoaders | None = None,
        source: Callable[[], bytes] | None = None,
        sink: Callable[[bytes], object] | None = None,
    ) -> Result:
        """Send a statement, beginning a transaction with it if autocommit is off."""
        if touches(prepared.text):
            self.touch(SESSION)
            note_names(self, prepared.text)
        return self.exchange(
            prepared.message,
            begin=b"" if self._autocommit else self._begin,
            statements=(prepared.text,),
            find_loaders=find_loaders,
            source=source,
            sink=sink,
        )

    def run_all(self, batch: Sequence[Prepared], done: Callable[[Result], object]) -> Result:
        """Send several statements in one write, as `run` does; *done* is given each's result.

        Meant for a transaction: after an error the server goes on with the next one. The
        rows are dropped.
        """
        texts = [prepared.text for prepared in batch]
        if any(map(touches, texts)):
            self.touch(SESSION)
            note_names(self, texts[0])
        return self.exchange(
            b"".join([prepared.message for prepared in batch]),
            begin=b"" if self._autocommit else self._begin,
            statements=texts,
            done=done,
        )

    def cursor(
        self,
        name: str | None = None,
        cursor_factory: type[Cursor] | None = None,
        scrollable: bool | None = None,
        withhold: bool = False,
    ) -> Any:
        """Return a new cursor; with *name* one whose rows stay on the server.

        *scrollable* and *withhold* are for named cursors only.
        """
        if self.closed:
            raise errors.InterfaceError("connection already closed")
        if self._multipool_sight is not None:
            self._multipool_sight.cursor_made()
        # Whoever has a cursor may register types on the connection, which nobody sees.
        self.touch_unless_settled()
        factory: Any = cursor_factory or self.cursor_factory
        if name is None:
            if scrollable is not None or withhold:
                raise errors.ProgrammingError("scrollable and withhold need a named cursor")
            return self._unnamed(factory)
        factory = named_class(factory)
        if self._multipool_sight is not None:
            factory = observed_named(factory)
        return factory(self, name, scrollable=scrollable, withhold=withhold)

    def private_cursor(self) -> Any:
        """Return a new cursor for who shows it to nobody."""
        self._check_open()
        if self._multipool_sight is not None:
            self._multipool_sight.cursor_made()
        return self._unnamed(self._cursor_factory)

    def _unnamed(self, factory: Any) -> Any:
        if self._multipool_shelf is not None:
            factory = planned(factory)
        if self._multipool_sight is not None:
            factory = observed(factory)
        return factory(self)

    def commit(self) -> None:
        """Commit the transaction, if one is open."""
        self._end(_COMMIT)

    def rollback(self) -> None:
        """Roll the transaction back, if one is open."""
        self._end(_ROLLBACK)

    def _end(self, message: bytes) -> None:
        self._check_open()
        self._refuse_in_two_phase("commit() and rollback()")
        if self.state != IDLE:
            self.exchange(message)

    def cancel(self) -> None:
        """Ask the server to cancel what this connection runs; called from another thread.

        Raises `OperationalError` if the server cannot be reached.
        """
        self._check_open()
        cancelling.cancel(self.address, *self.key_data)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit, or roll back after an error; the connection stays open, as with psycopg2."""
        if exc_type is None:
            self.commit()
        elif not self.closed:
            self.rollback()

    @property
    def binding(self) -> str:
        """``"server"`` or ``"client"``: see `multipool_pg8000.binding`."""
        return self._binding

    @binding.setter
    def binding(self, value: str) -> None:
        self._binding = value
        self.touch(CLIENT)

    @property
    def cursor_factory(self) -> type[Cursor]:
        """The class that `cursor` makes unless told."""
        return self._cursor_factory

    @cursor_factory.setter
    def cursor_factory(self, value: type[Cursor]) -> None:
        self._cursor_factory = value
        self.touch(CLIENT)

    # -- how transactions are begun ----------------------------------------------------------

    @property
    def autocommit(self) -> bool:
        """Whether each statement is its own transaction. Cannot be set in a transaction."""
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self._check_between_transactions("autocommit")
        self._autocommit = bool(value)
        self.touch_unless_settled()

    @property
    def isolation_level(self) -> session.IsolationLevel | None:
        """What transactions are begun with; None is the server's default."""
        return self._isolation

    @isolation_level.setter
    def isolation_level(self, value: int | str | None) -> None:
        self.set_session(isolation_level=session.DEFAULT if value is None else value)

    @property
    def readonly(self) -> bool | None:
        """What transactions are begun with; None is the server's default."""
        return self._readonly

    @readonly.setter
    def readonly(self, value: bool | str | None) -> None:
        self.set_session(readonly=session.DEFAULT if value is None else value)

    @property
    def deferrable(self) -> bool | None:
        """What transactions are begun with; None is the server's default."""
        return self._deferrable

    @deferrable.setter
    def deferrable(self, value: bool | str | None) -> None:
        self.set_session(deferrable=session.DEFAULT if value is None else value)

    def set_session(
        self,
        isolation_level: int | str | None = None,
        readonly: bool | str | None = None,
        deferrable: bool | str | None = None,
        autocommit: bool | None = None,
    ) -> None:
        """Set what transactions are begun with; None leaves a setting, ``"default"`` resets it.

        The settings travel with each BEGIN. In autocommit there is none, so those that are set
        there, or together with it, become the session's defaults too, at a round trip, as with
        psycopg2; so do they when they are changed later on. Raises `ProgrammingError` inside a
        transaction.
        """
        self._check_between_transactions("set_session()")
        alone = self._autocommit if autocommit is None else bool(autocommit)
        changes: dict[str, Any] = {}
        if isolation_level is not None:
            changes["isolation"] = session.isolation(isolation_level)
        if readonly is not None:
            changes["readonly"] = session.flag("readonly", readonly)
        if deferrable is not None:
            changes["deferrable"] = session.flag("deferrable", deferrable)
        told = {name: value for name, value in changes.items() if alone or name in self._told}
        if told:
            self.touch(SESSION)
            self.exchange(session.defaults(told))
            self._told |= told.keys()
        for name, value in changes.items():
            setattr(self, f"_{name}", value)
        self._autocommit = alone
        self._begin = session.begin(self._isolation, self._readonly, self._deferrable)
        self.touch(CLIENT)

    def _check_between_transactions(self, what: str) -> None:
        self._check_open()
        if self.state != IDLE:
            raise errors.ProgrammingError(f"{what} cannot be used inside a transaction")

    def client_settings(self) -> tuple[Any, ...]:
        """Return what was set on this object, not in the session, for `restore_client_settings`."""
        return (
            self._autocommit,
            self._isolation,
            self._readonly,
            self._deferrable,
            self._begin,
            self._binding,
            self._cursor_factory,
            self._told,
            # A list is what there is unless somebody has put something else in its place.
            *(None if type(told) is list else told for told in (self.notices, self.notifies)),
            self.adapters.snapshot(),
        )

    def settle(self) -> None:
        """Touch if what may change without a touch is not as it was."""
        slot = self._multipool_slot
        if slot is None:
            return
        autocommit, *_, registered = slot.settings[0]
        if (
            self._autocommit != autocommit
            or self.notices
            or self.notifies
            or not self.adapters.holds(registered)
        ):
            self.touch(CLIENT)

    def restore_client_settings(self, settings: tuple[Any, ...]) -> None:
        """Put back what `client_settings` returned; called between transactions."""
        (
            self._autocommit,
            self._isolation,
            self._readonly,
            self._deferrable,
            self._begin,
            self._binding,
            self._cursor_factory,
            self._told,
            notices,
            notifies,
            registered,
        ) = settings
        self.adapters.restore(registered)
        self.notices = [] if notices is None else _emptied(notices)
        self.notifies = [] if notifies is None else _emptied(notifies)

    # -- what is known of the session ----------------------------------------------------

    @property
    def info(self) -> ConnectionInfo:
        """What is known of the connection and its server, without asking it."""
        return ConnectionInfo(self)

    @property
    def closed(self) -> int:
        """0 while open, 1 once closed, 2 if it broke."""
        return 0 if self._sock is not None else 1 + self.broken

    def fileno(self) -> int:
        """Return the socket's file descriptor. Raises `InterfaceError` once closed."""
        self._check_open()
        number: int = self.socket.fileno()
        return number

    def get_transaction_status(self) -> int:
        """Return the transaction status, as numbered in `multipool.driver`."""
        return self.state

    def get_parameter_status(self, parameter: str) -> str | None:
        """Return what the server last reported for *parameter*, or None."""
        return self.parameter_statuses.get(parameter)

    def get_backend_pid(self) -> int:
        """Return the server process's id."""
        return self.key_data[0]

    @property
    def server_version(self) -> int:
        """The server's version as a number, such as 150004."""
        return self.info.server_version

    @property
    def codec(self) -> str:
        """Python's codec for the client encoding."""
        codec: str = self._client_encoding
        return codec

    @property
    def encoding(self) -> str:
        """PostgreSQL's name of the client encoding."""
        return self.parameter_statuses.get("client_encoding", "UTF8")

    def set_client_encoding(self, encoding: str) -> None:
        """Change the client encoding. Raises `ProgrammingError` for one Python does not know."""
        self._check_between_transactions("set_client_encoding()")
        if codec_of(encoding) is None:
            raise errors.ProgrammingError(f"Python has no codec for the encoding {encoding!r}")
        plain = encoding.replace("-", "").replace(" ", "")
        self.touch(SESSION)
        self.exchange(messages.query(f"SET client_encoding TO '{plain}'".encode()))

    @property
    def backslash_escapes(self) -> bool:
        """Whether a backslash in plain quotes escapes: ``standard_conforming_strings`` is off."""
        return self.parameter_statuses.get("standard_conforming_strings") == "off"

    def poll(self) -> int:
        """Take in notifications that have arrived, without waiting; return 0 as psycopg2 does.

        Raises `OperationalError` if the server has closed the connection.
        """
        self._check_open()
        if not self.drain():
            raise errors.OperationalError("server closed the connection unexpectedly")
        return 0

    def _check_open(self) -> None:
        if self._sock is None:
            raise errors.InterfaceError("connection already closed")

    def __repr__(self) -> str:
        state = ("open", "closed", "broken")[self.closed]
        return f"<{type(self).__module__}.{type(self).__qualname__} {state} at {id(self):#x}>"


def _emptied(own: Any) -> Any:
    """Return somebody's *own* for notices or notifications, without those it may have kept."""
    if hasattr(own, "clear"):
        own.clear()
    return own
