"""Connections whose BEGIN travels with the first statement of a transaction.

psycopg sends BEGIN by itself and waits for the answer. Here it goes with the statement. Where
that travels apart from its parameters, in one pipeline, with one Sync: a message of its own, so
the server sees what it would see else (psycopg's own pipelines would wait for the BEGIN). Where
it is a text and nothing more, as from client cursors, in front of it in one message, which
costs both sides a fraction of that.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq
from psycopg._preparing import Prepare
from psycopg.client_cursor import ClientCursorMixin
from psycopg.generators import execute, fetch_many

from multipool.driver import IDLE
from multipool.session import WAITED, carries_begin, innocent
from multipool_psycopg.connection import Connection
from multipool_psycopg.cursor import Watching, behind_users, watching

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

# What psycopg waits for, and what it is told.
_Wait = Generator[Any, Any, Any]

_FATAL = pq.ExecStatus.FATAL_ERROR
_POSITION = pq.DiagnosticField.STATEMENT_POSITION
_SQLSTATE = pq.DiagnosticField.SQLSTATE
_SYNC = pq.ExecStatus.PIPELINE_SYNC


class PiggybackCursor(Watching):
    """In front of a cursor class of a `PiggybackConnection`."""

    __slots__ = ()

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute *query*, as psycopg does."""
        conn: Any = self._conn
        if not (conn._begin_due() and isinstance(query, str) and carries_begin(query)):
            # What most queries come to. A plain text is looked at here: a call less.
            if type(query) is not str or query not in innocent:
                self._look_at(query)
            driver: Any = super(Watching, self)
            return driver.execute(query, *args, **options)
        with _carrying_begin(self):
            return super().execute(query, *args, **options)

    def _send(self, message: bytes) -> None:
        conn: Any = self._conn
        if not conn._begin_due():
            return super()._send(message)
        with _carrying_begin(self):
            return super()._send(message)


class _carrying_begin:  # noqa: N801  # used as a function; @contextmanager costs several times it
    """Let *cursor* carry the BEGIN for a block."""

    __slots__ = ("_cursor", "_made")

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._made: Any = type(cursor)

    def __enter__(self) -> None:
        self._cursor.__class__ = _carrying(self._made)

    def __exit__(self, *error: object) -> None:
        self._cursor.__class__ = self._made


class _CarryingCursor:
    """In front of the class of a `PiggybackCursor`, for as long as it executes with a BEGIN."""

    __slots__ = ()

    if not TYPE_CHECKING:  # psycopg's own affairs, which its annotations say are its own

        def _execute_gen(self, query: Any, *args: Any, **options: Any) -> _Wait:
            conn = self._conn
            # Asked once more: now the connection is locked for this thread.
            conn._begin_held = conn._begin_due()
            try:
                return (yield from super()._execute_gen(query, *args, **options))
            finally:
                conn._begin_held = False

        def _maybe_prepare_gen(self, pgq: Any, *, prepare: Any = None, binary: Any = None) -> _Wait:
            conn = self._conn
            if not conn._begin_held:
                return (yield from super()._maybe_prepare_gen(pgq, prepare=prepare, binary=binary))
            conn._begin_held = False
            prep, name = self._get_prepared(pgq, prepare)
            if prep is Prepare.NO and self._is_text(pgq, binary):
                results = yield from self._begin_in_text(pgq)
                key = conn._prepared.maybe_add_to_cache(pgq, prep, name)
                if key is not None:
                    conn._prepared.validate(key, prep, name, results)
                self._check_results(results)
                self._set_results(results)
                return None
            if prep is Prepare.SHOULD:  # it must be prepared by itself first
                yield from conn._start_query()
                return (yield from super()._maybe_prepare_gen(pgq, prepare=prepare, binary=binary))
            self._pgconn.enter_pipeline_mode()
            self._pgconn.send_query_params(conn._get_tx_start_command(), None)
            try:
                if prep is Prepare.NO:
                    self._execute_send(pgq, binary=binary, force_extended=True)
                else:
                    self._send_query_prepared(name, pgq, binary=binary)
            finally:  # libpq may have refused it, but the BEGIN is on its way
                self._pgconn.pipeline_sync()
                answers = yield from _answers(self._pgconn)
            key = conn._prepared.maybe_add_to_cache(pgq, prep, name)
            if key is not None:
                conn._prepared.validate(key, prep, name, answers[-1])
            for answer in answers:
                self._check_results(answer)
            self._set_results(answers[-1])
            return None

        def _is_text(self, pgq: Any, binary: Any) -> bool:
            """Return whether psycopg would send the statement as a text and nothing more."""
            as_bytes = self.format if binary is None else binary
            return not as_bytes and (isinstance(self, ClientCursorMixin) or not pgq.params)

        def _begin_in_text(self, pgq: Any) -> _Wait:
            """Execute what is only a text; return its results."""
            pgconn, begin = self._pgconn, self._conn._get_tx_start_command()
            self._query = pgq
            pgconn.send_query(begin + b";" + pgq.query)
            results = yield from execute(pgconn)
            if not _is_about_the_text(pgconn, results[-1]):
                return results[1:] or results  # a server that ends may answer with that alone
            # Nothing of it was run, and the place that the server names counts the BEGIN: so once
            # more, each by itself.
            pgconn.send_query(begin if pgconn.transaction_status == IDLE else b"ROLLBACK;" + begin)
            self._check_results((yield from execute(pgconn)))
            self._execute_send(pgq)
            return (yield from execute(pgconn))


def _is_about_the_text(pgconn: Any, result: PGresult) -> bool:
    """Return whether the server refused a statement before it ran anything of it.

    Either it did not even come to the BEGIN, or it names a place in the text, which it does
    while it analyses it; and while it waits for a table's lock, for as long as it is to.
    """
    if result.status != _FATAL:
        return False
    waited = (result.error_field(_SQLSTATE) or b"").decode().startswith(WAITED)
    place = result.error_field(_POSITION)
    return pgconn.transaction_status == IDLE or (place is not None and not waited)


def _answers(pgconn: Any) -> Generator[Any, Any, list[list[PGresult]]]:
    """Wait for a pipeline up to its one Sync, leave it, and return the answers to its messages."""
    answers: list[list[PGresult]] = []
    answer = yield from execute(pgconn)
    while answer[0].status != _SYNC:
        answers.append(answer)
        try:
            answer = yield from fetch_many(pgconn)
        except psycopg.OperationalError:
            if answer[-1].status == _FATAL:
                return answers  # its last words before it hung up
            raise
    pgconn.exit_pipeline_mode()
    return answers


@cache
def _piggyback(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that lets statements carry a BEGIN.

    A named cursor is declared in two messages already, and has a BEGIN of its own.
    """
    if issubclass(factory, (PiggybackCursor, psycopg.ServerCursor)):
        return factory
    users = behind_users(factory, _piggyback)
    return _in_front(PiggybackCursor, factory) if users is None else users


@cache
def _carrying(factory: type) -> type:
    return _in_front(_CarryingCursor, factory)


def _in_front(mixin: type, factory: type) -> type:
    names = {"__module__": factory.__module__, "__slots__": ()}
    return type(factory.__name__, (mixin, factory), names)


class PiggybackConnection(Connection):
    """A `Connection` that sends BEGIN together with a transaction's first statement."""

    __slots__ = ()  # a `Connection` is made one of these by `piggyback_begin`

    # While a cursor executes what will bring the BEGIN.
    _begin_held = False

    def _cursor_class(self, factory: type) -> type:
        return super()._cursor_class(_piggyback(watching(factory)))

    def _begin_due(self) -> bool:
        """Return whether the next statement begins a transaction, and may bring the BEGIN."""
        pgconn = self.pgconn
        return not self._autocommit and pgconn.transaction_status == IDLE and self._pipeline is None

    def set_autocommit(self, value: bool) -> None:
        """Set whether each statement is its own transaction. Cannot be set in a transaction."""
        with self.lock:
            # Nothing goes over the wire then, so there is nothing to wait for in psycopg's way.
            if self.pgconn.transaction_status == IDLE and self._pipeline is None:
                vars(self)["_autocommit"] = bool(value)  # past what would touch
                self.touch_unless_settled()
                return
        super().set_autocommit(value)

    if not TYPE_CHECKING:

        def _start_query(self) -> _Wait:
            if not self._begin_held:
                yield from super()._start_query()


def piggyback_begin(conn: Connection) -> None:
    """Make an idle connection a `PiggybackConnection`, where libpq knows pipelines."""
    if psycopg.Pipeline.is_supported():
        conn.__class__ = PiggybackConnection
        conn.cursor_factory = conn.cursor_factory  # a subclass of it, see `_cursor_class`
