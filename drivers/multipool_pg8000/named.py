"""Server-side cursors: DECLARE, FETCH, MOVE, CLOSE. Memory holds one batch of rows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from multipool.driver import IDLE, INTRANS, SESSION
from multipool.held_cursors import closed, declaring
from multipool.session import touches
from multipool_pg8000.binding import plain
from multipool_pg8000.cursor import Cursor, Params, Row
from multipool_pg8000.errors import ProgrammingError
from multipool_pg8000.literals import identifier
from multipool_pg8000.results import Result

if TYPE_CHECKING:
    from multipool_pg8000.connection import Connection

_SCROLL = {None: "", True: "SCROLL ", False: "NO SCROLL "}


class NamedCursor(Cursor):
    """A cursor whose rows stay on the server until they are fetched.

    Args:
        scrollable: True or False to say so to the server, None to leave it to it.
        withhold: keep the cursor over the end of the transaction.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        scrollable: bool | None = None,
        withhold: bool = False,
    ) -> None:
        super().__init__(connection, name)
        self.scrollable = scrollable
        self.withhold = withhold
        self._quoted = identifier(name)
        # The connection's count of ended transactions when the cursor was declared.
        self._declared: int | None = None

    def execute(self, query: str | bytes, params: Params | None = None) -> None:
        """Declare the cursor for *query*. Raises `ProgrammingError` the second time."""
        self._check_open()
        self._take(self._run(query, params))

    def _run(self, query: str | bytes, params: Params | None) -> Result:
        # Here, since a class of the user's may call the `execute` of `Cursor` by name.
        if self._declared is not None:
            raise ProgrammingError("a named cursor can be executed only once")
        connection = self.connection
        if connection.autocommit and not self.withhold and connection.state == IDLE:
            raise ProgrammingError(
                "a named cursor needs a transaction: turn autocommit off, or pass withhold=True"
            )
        text = self._text(query)
        slot = connection._multipool_slot
        # The words WITH HOLD touch the session, as any text does that has them.
        touched = slot is None or slot.touched & SESSION or touches(text)
        if self.withhold:
            declaring(connection, self)
        quoted = self._quoted if params is None else self._quoted.replace("%", "%%")
        hold = " WITH HOLD" if self.withhold else ""
        scroll = _SCROLL[self.scrollable]
        result = super()._run(f"DECLARE {quoted} {scroll}CURSOR{hold} FOR {text}", params)
        self._declared = connection.ended
        if self.withhold and slot is not None and not touched:
            slot.touched &= ~SESSION
        return result

    def executemany(self, query: str | bytes, params_list: Iterable[Params]) -> NoReturn:
        """Raise `ProgrammingError`: a cursor is declared for one query."""
        raise ProgrammingError("executemany() is not possible on a named cursor")

    def callproc(self, procname: str, parameters: Params | None = None) -> NoReturn:
        """Raise `ProgrammingError`: a cursor is declared for one query."""
        raise ProgrammingError("callproc() is not possible on a named cursor")

    def fetchone(self) -> Row | None:
        """Return the next row, or None; one round trip."""
        self._fetch("FORWARD 1")
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return the next *size* rows; one round trip."""
        self._fetch(f"FORWARD {self.arraysize if size is None else size:d}")
        return super().fetchall()

    def fetchall(self) -> list[Row]:
        """Return the rows that are left; one round trip."""
        self._fetch("FORWARD ALL")
        return super().fetchall()

    def __next__(self) -> Row:
        # An iteration goes on with what is left of the batch, and then asks for the next.
        row = self._next_of_batch()
        if row is None:
            self._fetch(f"FORWARD {self.itersize:d}")
            row = self._next_of_batch()
        if row is None:
            raise StopIteration
        return row

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Move by *value* rows, or with *mode* ``absolute`` to before row *value*, from 0."""
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(f"scroll mode must be 'relative' or 'absolute', not {mode!r}")
        self._check_declared()
        self._command(f"MOVE {mode.upper()} {value:d} FROM {self._quoted}")

    def close(self) -> None:
        """Close the cursor here and, if it is still there, on the server."""
        connection = self.connection
        if not self._closed and self._declared is not None and not connection.closed:
            same = connection.ended == self._declared and connection.state == INTRANS
            if same or (self.withhold and connection.state in (IDLE, INTRANS)):
                status = connection.state
                self._command(f"CLOSE {self._quoted}")
                if self.withhold:
                    closed(connection, self, status)
        super().close()

    def _next_of_batch(self) -> Row | None:
        return super().fetchone() if self.description is not None else None

    def _fetch(self, how_many: str) -> None:
        self._check_declared()
        self._take(self._command(f"FETCH {how_many} FROM {self._quoted}"))

    def _command(self, text: str) -> Result:
        return self._send(plain(text, self.connection.codec))

    def _check_declared(self) -> None:
        self._check_open()
        if self._declared is None:
            raise ProgrammingError("the named cursor was not executed")


@cache
def named_class(factory: Any) -> Any:
    """Return the cursor class *factory* as one of named cursors: its overrides stay in front."""
    if issubclass(factory, NamedCursor):
        return factory
    if factory is Cursor:
        return NamedCursor
    return type(factory.__name__, (factory, NamedCursor), {"__module__": factory.__module__})
