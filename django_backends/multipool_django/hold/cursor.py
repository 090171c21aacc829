"""Cursors that need a connection only while a statement runs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self

from multipool.buffered import BufferedCursor
from multipool_django.hold.forwarding import forwarding

if TYPE_CHECKING:
    from multipool_django.hold.connection import OnDemandConnection

#: What a cursor of the driver knows of its last statement, and before its first.
_KNOWN: Final[dict[str, Any]] = {
    "description": None,
    "rowcount": -1,
    "statusmessage": None,
    "query": None,
    "lastrowid": None,
    "_query": None,  # where Django looks for what psycopg has sent
}

#: What tells a cursor on the server from others, of which psycopg2's have it too. django-pghistory
#: asks with each statement.
_OF_NAMED: Final = frozenset(["name", "scrollable", "withhold"])


@cache
def _also_index_error(error: type[Exception]) -> type[Exception]:
    """Return a subclass of psycopg2's *error*, where PEP 249 and psycopg have an IndexError."""
    bases: tuple[Any, ...] = (error, IndexError)
    return type(error.__name__, bases, {"__module__": error.__module__})


@forwarding("itersize", "row_factory", "tzinfo_factory", "binary_types", "string_types", "format")
class OnDemandCursor(BufferedCursor):
    """Stands where Django keeps a driver's cursor: has all rows in memory, and no connection.

    Each statement runs by a cursor of the driver on whatever connection it gets. What this
    class does not know is that cursor's own, and then the connection stays (see
    `OnDemandConnection`).

    Args:
        stand_in: Where the connections come from.
    """

    __slots__ = ("_stand_in", "_theirs", "_theirs_on", "closed")

    def __init__(self, stand_in: OnDemandConnection) -> None:
        self._stand_in = stand_in
        # The driver's cursor that was used last, and its connection.
        self._theirs: Any = None
        self._theirs_on: Any = None
        self._rows = None
        self.arraysize = 1
        self.closed = False

    def execute(self, *args: Any, **options: Any) -> Any:
        """Execute a statement, as the driver does."""
        return self._run("execute", args, options)

    def executemany(self, *args: Any, **options: Any) -> Any:
        """Execute a statement for each of its parameters, as the driver does."""
        return self._run("executemany", args, options)

    def callproc(self, *args: Any, **options: Any) -> Any:
        """Call a function, as the driver does."""
        return self._run("callproc", args, options)

    def nextset(self) -> Any:
        """Go on to the next result, as the driver does; where there is none, nothing changes."""
        theirs = self._theirs
        if theirs is None or self.closed:
            return self._run("nextset", (), {})
        # Which has all that came for its statement, whoever has the connection now.
        found = theirs.nextset()
        if found:
            self._rows = theirs.fetchall() if self._stand_in._has_rows(theirs) else None
            self._at = 0
        return found

    def _run(self, method: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self._rows = None
        stand_in = self._stand_in
        with stand_in._turn:
            stand_in._running += 1
            try:
                theirs = self._on_a_connection(for_statement=True)
                result = getattr(theirs, method)(*args, **options)
                if stand_in._has_rows(theirs):
                    # All of them, since a connection that went back may be closed before
                    # they are asked for, and then the driver would not give them out.
                    self._rows = theirs.fetchall()
                    self._at = 0
                if method == "executemany" and options.get("returning"):
                    stand_in.unwrap()  # psycopg has the results of the others still
            finally:
                stand_in._running -= 1
                stand_in._let_go()
        return self if result is theirs else result

    def mogrify(self, *args: Any, **options: Any) -> Any:
        """Return what would be sent for a statement, as the driver does."""
        stand_in = self._stand_in
        with stand_in._turn:
            try:
                return self._on_a_connection().mogrify(*args, **options)
            finally:
                stand_in._let_go()

    def _on_a_connection(self, *, for_statement: bool = False) -> Any:
        """Return a driver's cursor on the connection that is held now."""
        if self.closed:
            raise self._closed_error()
        stand_in = self._stand_in
        conn = stand_in._borrow(for_statement=for_statement)
        if self._theirs_on is not conn:
            self._theirs = stand_in._make(conn)
            self._theirs_on = conn
        return self._theirs

    def _nothing_to_fetch(self) -> Exception:
        if self.closed:
            return self._closed_error()
        database = self._stand_in._wrapper.Database
        error: Exception = database.ProgrammingError("no results to fetch")
        return error

    def _no_such_row(self, reason: str) -> Exception:
        error: Exception = _also_index_error(self._stand_in._wrapper.Database.ProgrammingError)(
            reason
        )
        return error

    def _closed_error(self) -> Exception:
        return self._stand_in.interface_error("cursor already closed")

    @property
    def connection(self) -> OnDemandConnection:
        """What stands where Django keeps its connection."""
        return self._stand_in

    def close(self) -> None:
        """Drop the rows; the cursor is of no more use."""
        self.closed = True
        self._rows = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name in _KNOWN:
            theirs = self._theirs
            return _KNOWN[name] if theirs is None else getattr(theirs, name)
        if name.startswith("__"):  # protocols that nobody means to be the driver's
            raise AttributeError(name)
        stand_in = self._stand_in
        with stand_in._turn:
            try:
                found = getattr(self._on_a_connection(), name)
                if name not in _OF_NAMED:
                    stand_in.unwrap()  # unless it has none such
            finally:
                stand_in._let_go()
        return found

    def unwrap(self) -> Any:
        """Return the driver's own cursor, whose connection stays from now on."""
        stand_in = self._stand_in
        with stand_in._turn:
            stand_in.unwrap()
            return self._on_a_connection()
