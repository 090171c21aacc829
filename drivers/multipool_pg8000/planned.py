"""Cursors that execute prepared what the pool has plans for, by the protocol.

The statement gets a name with its first execution, in the same round trip: Close (what is to
be dropped), Parse, Bind, Describe, Execute, Sync; later ones begin with Bind. The server is
told the same text and types as without a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timezone
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from multipool.driver import IDLE, INERROR
from multipool.placeholders import PlaceholderError
from multipool.placeholders import Statement as Parsed
from multipool.plans import limits
from multipool.plans.recovery import may_run_again, say_whose, status_alone
from multipool.plans.shelf import BATCH, Shelf
from multipool.plans.statement import DROP_OURS, Form, Quick, Statement, Wording
from multipool.session import touches
from multipool_pg8000 import messages, oids
from multipool_pg8000.binding import Prepared, numbered
from multipool_pg8000.cursor import Cursor, Params
from multipool_pg8000.errors import DatabaseError
from multipool_pg8000.load import usual_loaders
from multipool_pg8000.results import Columns, Result, Shape
from multipool_pg8000.values import Typed

if TYPE_CHECKING:
    _Base = Cursor
else:
    _Base = object


class WireForm(Form):
    """One `Form`, with the messages that parse and bind it."""

    __slots__ = ("codec", "head", "oids", "parse", "text", "touches")

    def __init__(
        self, statement: Statement, text: str, oids: tuple[int, ...], encoding: str
    ) -> None:
        super().__init__(statement)
        self.text = text
        self.codec = encoding
        self.oids = list(oids)
        label = self.name.encode()
        self.parse = messages.parse(text, oids, encoding, label)
        #: How what binds values to it begins.
        self.head = messages.head(label, len(oids))
        #: Whether it leaves something behind in the session, see `Pooled.touch`.
        self.touches = touches(text)


class Known:
    """What an execution found out that holds for the next one of the same text and form."""

    __slots__ = ("bare", "count", "escapes", "parsed", "shape", "steady")

    def __init__(
        self, parsed: Parsed, form: WireForm, columns: Columns | None, *, bare: bool, escapes: bool
    ) -> None:
        self.parsed = parsed
        #: Whether it was executed without parameters, and so ``%`` means nothing in it.
        self.bare = bare
        #: Whether a backslash escaped in plain quotes when it was taken apart.
        self.escapes = escapes
        #: The result's, with the loaders that columns have as a rule. It stays the same as long
        #: as it is prepared: the server refuses to run it else.
        self.shape = Shape(columns, usual_loaders(columns, form.codec) if columns else ())
        places = len(parsed.parts) - 1
        #: Whether values of the same types are all it takes to be of the same form.
        self.steady = (
            len(form.oids) == places
            and not (parsed.grouped and places > 1)
            and not (parsed.anytyped and oids.UNKNOWN in form.oids)
        )
        #: How many parameters there are in order; -1 where that is not how they come.
        self.count = places if parsed.names is None and not bare else -1

    def pick(self, params: Params | None) -> Sequence[Any] | None:
        """Return the values in the order of the placeholders; None where that needs thinking."""
        if (params is None) is not self.bare:
            return None
        try:
            return self.parsed.pick(() if params is None else params)
        except (PlaceholderError, TypeError):
            return None  # which is raised by who thinks about it


class PlannedCursor(_Base):
    """In front of a cursor class."""

    def execute(self, query: str | bytes, params: Params | None = None) -> None:
        """Run *query*, as its class does."""
        shelf: Shelf = self.connection._multipool_shelf
        text = self._text(query)
        quick = shelf.quick.get(text)
        if quick is None or not quick.guard.trusted or not self._repeat(shelf, quick, params):
            self._execute_thoughtfully(shelf, query, text, params)

    def executemany(self, query: str | bytes, params_list: Iterable[Params]) -> None:
        """Run *query* once for each of *params_list*, as its class does."""
        text = self._text(query)
        try:
            super().executemany(query, params_list)
        finally:
            self.connection._multipool_shelf.look_at(self.connection, text)

    def _repeat(self, shelf: Shelf, quick: Quick, params: Params | None) -> bool:
        """Execute what is prepared once more; return False if that needs thinking about."""
        self._check_open()
        self._forget()
        connection, form = self.connection, quick.form
        known: Known | None = quick.known
        if (
            known is None
            or not known.steady
            or form not in shelf.held
            or form.codec != connection._client_encoding
            or known.escapes is not connection.backslash_escapes
            or connection._binding == "client"
        ):
            return False
        given = type(params) is tuple and len(params) == known.count
        picked = params if given else known.pick(params)
        if picked is None:
            return False
        dump = (self._adapters or connection.adapters).dump
        values = [dump(value) for value in picked]
        # What has no type has a text in its place.
        if [value[0] for value in values] != form.oids:
            return False
        self._executed = known.parsed, values
        idle = connection.state == IDLE
        begun = perf_counter()
        try:
            if not shelf.shared:
                result = self._send_form(form, values, known)
            elif (found := self._send_in_turn(shelf, form, values, known)) is None:
                return False
            else:
                result = found
        except DatabaseError as error:
            if not may_run_again(connection, shelf, quick.statement, error, idle):
                say_whose(error, form)
                raise
            return False
        seconds = perf_counter() - begun
        quick.calls += 1
        quick.seconds += seconds
        if seconds > quick.guard.limit or quick.calls >= BATCH:
            shelf.tell(quick, seconds)
        self._take(result)
        return True

    def _execute_thoughtfully(
        self, shelf: Shelf, query: str | bytes, text: str, params: Params | None
    ) -> None:
        wording = shelf.find(self.connection, text)
        if wording is None:
            try:
                return super().execute(query, params)
            finally:
                shelf.look_at(self.connection, text)
        if shelf.rests(wording.statement):
            return super().execute(query, params)
        self._check_open()
        self._forget()
        if not self._run_prepared(shelf, text, wording, params):
            begun = perf_counter()
            super().execute(query, params)
            shelf.note_unprepared(wording.statement, perf_counter() - begun)
        return None

    def _run_prepared(
        self, shelf: Shelf, sql: str, wording: Wording, params: Params | None
    ) -> bool:
        """Run *wording* prepared; return False if it is to run as it stands."""
        connection, statement = self.connection, wording.statement
        state = connection.state
        if state == INERROR or not shelf.wants(statement) or not self._ready(shelf):
            return False
        text, bare = statement.sql, params is None
        if statement.limits:
            text, params = limits.with_parameters(text, wording.values, params)
        elif params is None:
            text = text.replace("%", "%%")
        escapes = connection.backslash_escapes
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
                if result is None and form not in shelf.held:
                    return False
            quick = shelf.be_quick(statement if wording.values else sql, statement, form)
            if result is None:
                result = self._send_in_turn(shelf, form, bound, quick.known)
                if result is None:
                    return False
        except DatabaseError as error:
            if not may_run_again(connection, shelf, statement, error, state == IDLE):
                say_whose(error, form)
                raise
            return False
        seconds = perf_counter() - begun
        if quick.known is None:
            quick.known = Known(parsed, form, result.columns, bare=bare, escapes=escapes)
        quick.calls += 1
        quick.seconds += seconds
        if seconds > quick.guard.limit or quick.calls >= BATCH:
            shelf.tell(quick, seconds)
        self._take(result)
        return True

    def _send_in_turn(
        self, shelf: Shelf, form: WireForm, values: Sequence[Any], known: Known | None
    ) -> Result | None:
        """Execute *form*, if it is prepared and until then stays so; None if it is not."""
        with shelf.turn:
            return self._send_form(form, values, known) if form in shelf.held else None

    def _send_form(self, form: WireForm, values: Sequence[Any], known: Known | None) -> Result:
        """Execute what is prepared; its result need not be described where it is *known*."""
        connection = self.connection
        if form.touches:
            connection.touch()
        shape = None
        if known is not None:
            shape = known.shape
            if shape.columns and not (
                self.tzinfo_factory is timezone
                and (self._adapters or connection.adapters).loads_as_usual
            ):
                shape = Shape(shape.columns, self._find_loaders(shape.columns))
        return connection.exchange(
            messages.execute(form.head, values, form.codec, describe=shape is None),
            begin=b"" if connection._autocommit else connection._begin,
            statements=(form.text,),
            find_loaders=self._find_loaders,
            shape=shape,
        )

    def _form(self, statement: Statement, text: str, bound: list[Typed]) -> WireForm:
        codec = self.connection.codec
        key = text, codec, tuple([value.oid for value in bound])
        form: WireForm | None = statement.forms.get(key)
        if form is None:
            form = WireForm(statement, text, key[2], codec)
            statement.add(key, form)
        return form

    def _execute_first(self, shelf: Shelf, form: WireForm, bound: list[Typed]) -> Result | None:
        """Prepare *form* and execute it; None if it is prepared by now, or there is no room."""
        with shelf.turn:
            if form in shelf.held:
                return None
            bind = messages.execute(form.head, bound, form.codec)
            connection = self.connection
            begun = status_alone(shelf.driver, connection) != IDLE
            left = shelf.make_room(form, inside=begun)
            if left is None:
                return None
            closing = [messages.close_statement(name.encode()) for name in left]
            message = b"".join((*closing, form.parse, bind))
            try:
                result = self._send(Prepared(message, form.text))
            except DatabaseError:  # nobody knows how far it came
                if form.name not in left:
                    shelf.leftover.append(form.name)
                raise
            shelf.dropped(left)
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
    """Return a subclass of the cursor class *factory* that executes prepared.

    Where *factory* has an ``execute`` of its own, what that asks the driver for is prepared.
    """
    if not isinstance(factory, type) or issubclass(factory, PlannedCursor):
        return factory
    plain: Any = factory
    bases = (PlannedCursor, plain) if plain.execute is Cursor.execute else (plain, planned(Cursor))
    return type(factory.__name__, bases, {"__module__": factory.__module__})
