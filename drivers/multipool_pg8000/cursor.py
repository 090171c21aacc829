"""The cursor: PEP 249, with psycopg2's additions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timezone
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from multipool import placeholders
from multipool.driver import IDLE
from multipool_pg8000 import copying
from multipool_pg8000.adapters import Adapters
from multipool_pg8000.binding import Prepared, bind, merge, plain
from multipool_pg8000.errors import InterfaceError, NotSupportedError, ProgrammingError
from multipool_pg8000.literals import identifier
from multipool_pg8000.load import TzFactory, find_loader, find_loaders
from multipool_pg8000.results import Column, Columns, RawLoader, Result

if TYPE_CHECKING:
    from multipool_pg8000.connection import Connection

Params = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]

# In bytes. A socket takes as much without its peer reading, so that a server which waits
# for us to read its answers does not have us wait for it to read our statements.
_BATCH: Final = 32 * 1024


class Cursor:
    """Runs statements and holds the last one's rows, all of them.

    A `named <NamedCursor>` cursor leaves the rows on the server.
    """

    #: How many rows `fetchmany` returns unless told.
    arraysize: int = 1
    #: How many rows a named cursor asks for at once when it is iterated over.
    itersize: int = 2000
    #: Makes the time zone of a ``timestamptz`` from its offset; None makes it naive.
    tzinfo_factory: TzFactory | None = timezone
    #: PEP 249's; a row's OID exists no more.
    lastrowid: None = None

    def __init__(self, connection: Connection, name: str | None = None) -> None:
        self.connection = connection
        self.name = name
        self._closed = False
        self._adapters: Adapters | None = None
        self._result: Result | None = None
        self._rowcount = -1
        # The next row's place in the result.
        self._at = 0
        # What was executed last, for `query`: a text, or a statement and its values.
        self._executed: str | tuple[placeholders.Statement, Sequence[Any]] | None = None

    # -- running ----------------------------------------------------------------------

    def execute(self, query: str | bytes, params: Params | None = None) -> None:
        """Run *query*; several statements leave the last one's result.

        With *params* (even empty ones) ``%s``, ``%(name)s`` and ``%%`` are replaced; without,
        ``%`` means nothing. `multipool_pg8000.binding` says which way values travel.
        """
        self._check_open()
        self._forget()
        self._take(self._run(query, params))

    def executemany(self, query: str | bytes, params_list: Iterable[Params]) -> None:
        """Run *query* once for each of *params_list*; `rowcount` is the sum.

        In a transaction many go to the server in one round trip.
        """
        self._check_open()
        self._forget()
        counts: list[int] = []
        for batch in self._batches(self._text(query), params_list):
            result = self.connection.run_all(batch, lambda done: counts.append(done.rowcount))
            self._take(Result(tag=result.tag))
        self._rowcount = -1 if -1 in counts else sum(counts)

    def _batches(self, text: str, params_list: Iterable[Params]) -> Iterator[list[Prepared]]:
        """Yield the statements, ready to be sent, as many at once as is safe."""
        connection = self.connection
        batch: list[Prepared] = []
        size = 0
        for params in params_list:
            prepared = self._prepare(text, params)
            # Alone in autocommit, where the server would go on after an error.
            alone = connection.autocommit and connection.state == IDLE
            if batch and (alone or size + len(prepared.message) > _BATCH):
                yield batch
                batch, size = [], 0
            batch.append(prepared)
            size += len(prepared.message)
        if batch:
            yield batch

    def callproc(self, procname: str, parameters: Params | None = None) -> Params | None:
        """Call the function *procname*, whose rows are then fetched; return *parameters*."""
        if isinstance(parameters, Mapping):
            values: Params = list(parameters.values())
            marks = [identifier(name).replace("%", "%%") + " := %s" for name in parameters]
        else:
            values = parameters or ()
            marks = ["%s"] * len(values)
        # The name is SQL, as psycopg2 has it: it may be qualified or quoted.
        call = f"{procname.replace('%', '%%')}({', '.join(marks)})"
        self.execute(f"SELECT * FROM {call}", values)  # noqa: S608
        return parameters

    def mogrify(self, query: str | bytes, params: Params | None = None) -> bytes:
        """Return *query* with the values written into it as literals, as bytes."""
        self._check_open()
        text = self._text(query)
        if params is not None:
            statement, values = self._read(text, params)
            text = merge(statement, values)
        return text.encode(self.connection.codec)

    def _run(self, query: str | bytes, params: Params | None) -> Result:
        text = self._text(query)
        return self._send(self._prepare(text, params))

    def _prepare(self, text: str, params: Params | None) -> Prepared:
        connection = self.connection
        if params is None:
            self._executed = text
            return plain(text, connection.codec)
        statement, values = self._read(text, params)
        self._executed = statement, values
        return bind(statement, values, connection.binding, connection.codec)

    def _send(self, prepared: Prepared) -> Result:
        return self.connection.run(prepared, find_loaders=self._find_loaders)

    def _read(self, text: str, params: Params) -> tuple[placeholders.Statement, Sequence[Any]]:
        try:
            statement = placeholders.read(text, self.connection.backslash_escapes)
            picked = statement.pick(params)
        except placeholders.PlaceholderError as error:
            raise ProgrammingError(str(error)) from None
        dump = (self._adapters or self.connection.adapters).dump
        return statement, [dump(value) for value in picked]

    def _text(self, query: str | bytes) -> str:
        if isinstance(query, bytes):
            return query.decode(self.connection.codec)
        if not isinstance(query, str):
            raise TypeError(f"a query must be str or bytes, not {type(query).__name__}")
        return query

    def _find_loaders(self, columns: Columns) -> Sequence[RawLoader]:
        connection = self.connection
        return find_loaders(
            columns, self._adapters or connection.adapters, connection.codec, self.tzinfo_factory
        )

    def _forget(self) -> None:
        self._result, self._rowcount, self._at = None, -1, 0

    def _take(self, result: Result) -> None:
        self._result, self._rowcount, self._at = result, result.rowcount, 0

    # -- fetching ---------------------------------------------------------------------

    def fetchone(self) -> Row | None:
        """Return the next row, or None."""
        rows = self._rows()
        if self._at >= len(rows):
            return None
        self._at += 1
        return rows[self._at - 1]

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return the next *size* rows, or as many as there are; all if *size* is negative."""
        rows = self._rows()
        start, there = self._at, len(rows)
        end = start + (self.arraysize if size is None else size)
        self._at = end if start <= end < there else there
        return rows[start : self._at]

    def fetchall(self) -> list[Row]:
        """Return the rows that are left."""
        rows = self._rows()
        start, self._at = self._at, len(rows)
        return rows[start:]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Move by *value* rows, or with *mode* ``absolute`` to row *value*, counted from 0.

        Raises `ProgrammingError` if there is no such row.
        """
        rows = self._rows()
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(f"scroll mode must be 'relative' or 'absolute', not {mode!r}")
        target = value + self._at if mode == "relative" else value
        if not 0 <= target < len(rows):
            raise ProgrammingError("scroll destination out of bounds")
        self._at = target

    def _rows(self) -> list[Row]:
        self._check_open()
        result = self._result
        if result is None or result.columns is None:
            raise ProgrammingError("no results to fetch")
        if result.failure is not None:
            try:
                raise result.failure
            finally:
                # The error's traceback leads here: keeping it would make a cycle.
                self._forget()
                del result
        return result.rows

    # -- what is known of the last statement -------------------------------------------------

    @property
    def description(self) -> tuple[Column, ...] | None:
        """The result's columns, or None where there is none."""
        return self._result.columns if self._result is not None else None

    @property
    def rowcount(self) -> int:
        """How many rows the last statement returned or changed, or -1."""
        return self._rowcount

    @property
    def rownumber(self) -> int | None:
        """The next row's place, counted from 0; None without a result."""
        return self._at if self.description is not None else None

    @property
    def statusmessage(self) -> str | None:
        """The last statement's command tag, such as ``INSERT 0 1``."""
        return self._result.tag if self._result is not None else None

    @property
    def query(self) -> bytes | None:
        """What was executed last, its values written into it as by `mogrify`."""
        if self._executed is None:
            return None
        text = self._executed if isinstance(self._executed, str) else merge(*self._executed)
        return text.encode(self.connection.codec)

    def cast(self, oid: int, text: str | None) -> Any:
        """Return the value that *text* makes in a column of type *oid*."""
        if text is None:
            return None
        connection = self.connection
        adapters = self._adapters or connection.adapters
        load = find_loader(oid, adapters, connection.codec, self.tzinfo_factory)
        return load(text.encode(connection.codec))

    @property
    def adapters(self) -> Adapters:
        """This cursor's own dumpers and loaders, over the connection's."""
        if self._adapters is None:
            self._adapters = Adapters(self.connection.adapters)
        return self._adapters

    # -- COPY -------------------------------------------------------------------------

    def copy_expert(self, sql: str | bytes, file: Any, size: int = 8192) -> None:
        """Run a COPY to or from *file*, which is read in pieces of *size*."""
        self._check_open()
        self._forget()
        text = self._text(sql)
        self._executed = text
        self._take(copying.copy(self.connection, text, file, size))

    def copy_from(
        self,
        file: Any,
        table: str,
        sep: str = "\t",
        null: str = "\\N",
        size: int = 8192,
        columns: Iterable[str] | None = None,
    ) -> None:
        """Fill *table* from *file*, in COPY's text format."""
        self.copy_expert(copying.statement(table, "FROM STDIN", sep, null, columns), file, size)

    def copy_to(
        self,
        file: Any,
        table: str,
        sep: str = "\t",
        null: str = "\\N",
        columns: Iterable[str] | None = None,
    ) -> None:
        """Write *table* to *file*, in COPY's text format."""
        self.copy_expert(copying.statement(table, "TO STDOUT", sep, null, columns), file)

    # -- the rest of PEP 249 -----------------------------------------------------------------

    def nextset(self) -> NoReturn:
        """Raise `NotSupportedError`: only the last statement's result is kept."""
        raise NotSupportedError("a cursor keeps one result, that of the last statement")

    def setinputsizes(self, sizes: Any) -> None:
        """PEP 249 leaves it free to do nothing; values know their own types."""

    def setoutputsize(self, size: Any, column: Any = None) -> None:
        """PEP 249 leaves it free to do nothing; values are as large as they are."""

    def close(self) -> None:
        """Drop the rows; the cursor is of no more use."""
        self._closed = True
        self._result = None

    @property
    def closed(self) -> bool:
        """Whether the cursor or its connection is closed."""
        return self._closed or bool(self.connection.closed)

    def _check_open(self) -> None:
        if self._closed or self.connection._sock is None:
            what = "cursor" if self._closed else "connection"
            raise InterfaceError(f"{what} already closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<{type(self).__module__}.{type(self).__qualname__} {state} at {id(self):#x}>"
