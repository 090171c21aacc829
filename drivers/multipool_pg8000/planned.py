"""Cursors that execute prepared what the pool has plans for, by the protocol.

The statement gets a name with its first execution, in the same round trip: Close (what is to
be dropped), Parse, Bind, Describe, Execute, Sync; later ones begin with Bind. The server is
told the same text and types as without a name.
"""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from multipool.driver import IDLE, INERROR
from multipool.plans import limits
from multipool.plans.recovery import may_run_again
from multipool.plans.shelf import BATCH, Shelf
from multipool.plans.statement import DROP_OURS, Form, Quick, Statement, Wording
from multipool_pg8000 import messages
from multipool_pg8000.binding import Prepared, numbered
from multipool_pg8000.cursor import Cursor, Params
from multipool_pg8000.errors import DatabaseError
from multipool_pg8000.results import Result
from multipool_pg8000.values import Typed

if TYPE_CHECKING:
    _Base = Cursor
else:
    _Base = object


class WireForm(Form):
    """One `Form`, with the message that parses it."""

    __slots__ = ("label", "parse", "text")

    def __init__(
        self, statement: Statement, text: str, oids: tuple[int, ...], encoding: str
    ) -> None:
        super().__init__(statement)
        self.text = text
        self.label = self.name.encode()
        self.parse = messages.parse(text, oids, encoding, self.label)


class PlannedCursor(_Base):
    """In front of a cursor class."""

    def execute(self, query: str | bytes, params: Params | None = None) -> None:
        """Run *query*, as its class does."""
        connection = self.connection
        shelf: Shelf = connection._multipool_shelf
        text = self._text(query)
        quick = shelf.quick.get(text)
        wording: Wording | None
        if quick is not None and quick.guard.trusted:
            wording = quick.statement.plain
        else:
            quick, wording = None, shelf.find(connection, text)
        if wording is None:
            try:
                return super().execute(query, params)
            finally:
                shelf.look_at(connection, text)
        self._check_open()
        self._forget()
        if not self._run_prepared(shelf, text, wording, quick, params):
            begun = perf_counter()
            super().execute(query, params)
            shelf.note_unprepared(wording.statement, perf_counter() - begun)
        return None

    def _run_prepared(
        self,
        shelf: Shelf,
        sql: str,
        wording: Wording,
        quick: Quick | None,
        params: Params | None,
    ) -> bool:
        """Run *wording* prepared; return False if it is to run as it stands."""
        connection, statement = self.connection, wording.statement
        state = connection.state
        if quick is None and (
            state == INERROR or not shelf.wants(statement) or not self._ready(shelf)
        ):
            return False
        text = statement.sql
        if statement.limits:
            text, params = limits.with_parameters(text, wording.values, params)
        elif params is None:
            text = text.replace("%", "%%")
        self._executed = parsed, values = self._read(text, () if params is None else params)
        found = None if connection.binding == "client" else numbered(parsed, values)
        if found is None:
            statement.obstacle = "some parameters must stand in the text"
            return False
        bound = found[1]
        form = self._form(statement, *found)
        result = None
        begun = perf_counter()
        try:
            if form not in shelf.held:
                result = self._execute_first(shelf, form, bound)
            if quick is None or quick.form is not form:
                quick = shelf.be_quick(statement if wording.values else sql, statement, form)
            if result is None:
                columns = quick.columns
                message = messages.execute(
                    bound, connection.codec, form.label, describe=not columns
                )
                result = self._send(Prepared(message, form.text), columns)
        except DatabaseError as error:
            if not may_run_again(connection, shelf, statement, error, state == IDLE):
                raise
            return False
        seconds = perf_counter() - begun
        # They stay the same as long as it is prepared: the server refuses to run it else.
        quick.columns = result.columns
        quick.calls += 1
        quick.seconds += seconds
        if seconds > quick.guard.limit or quick.calls >= BATCH:
            shelf.tell(quick, seconds)
        self._take(result)
        return True

    def _form(self, statement: Statement, text: str, bound: list[Typed]) -> WireForm:
        codec = self.connection.codec
        key = text, codec, tuple([value.oid for value in bound])
        form: WireForm | None = statement.forms.get(key)
        if form is None:
            form = WireForm(statement, text, key[2], codec)
            statement.add(key, form)
        return form

    def _execute_first(self, shelf: Shelf, form: WireForm, bound: list[Typed]) -> Result | None:
        """Prepare *form* and execute it; None if somebody else has prepared it meanwhile."""
        with shelf.turn:
            if form in shelf.held:
                return None
            shelf.make_room()
            dropped = [messages.close_statement(name.encode()) for name in shelf.leftover]
            shelf.cleared()
            bind = messages.execute(bound, self.connection.codec, form.label)
            message = b"".join((*dropped, form.parse, bind))
            try:
                result = self._send(Prepared(message, form.text))
            except DatabaseError:  # nobody knows how far it came
                shelf.leftover.append(form.name)
                raise
            shelf.held[form] = None
            return result

    def _ready(self, shelf: Shelf) -> bool:
        """Return whether something may be prepared here, having cleared up if need be."""
        planner, connection = shelf.planner, self.connection
        if not planner.route_known:
            result = self._ask("select pg_backend_pid()")
            planner.learn(connection.get_backend_pid() or None, int(result.rows[0][0]))
        if shelf.doubtful:
            self._ask(DROP_OURS)
            shelf.cleared()
        return planner.off is None

    def _ask(self, sql: str) -> Result:
        connection = self.connection
        message = messages.query(sql.encode())
        return connection.exchange(message, find_loaders=self._find_loaders)


@cache
def planned(factory: Any) -> Any:
    """Return a subclass of the cursor class *factory* that executes prepared."""
    if not isinstance(factory, type) or issubclass(factory, PlannedCursor):
        return factory
    return type(factory.__name__, (PlannedCursor, factory), {"__module__": factory.__module__})
