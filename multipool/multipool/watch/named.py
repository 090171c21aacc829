"""Cursors whose rows stay on the server, and what their statement takes as it is fetched from.

In a transaction the server works when rows are asked for, not when the cursor is declared. So
their statement counts as one execution, which goes on with each fetch.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import ref

from multipool.watch.cursor import Observed, has_params, observing, sight_of
from multipool.watch.tracing import More

if TYPE_CHECKING:
    from types import TracebackType

    from multipool.watch.sight import Sight
    from multipool.watch.stacks import Place

#: Seconds: a row that took less was in memory already. No server answers so soon.
_AT_ONCE: Final = 20e-6


class ObservedNamed(Observed):
    """In front of a class of such cursors."""

    __slots__ = ()

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Declare the cursor for *query*, as the driver does."""
        # Past what stands between, which would tell of it too.
        driver: Any = super(Observed, self)
        told = observing(self, query, params=has_params(args, options))
        told.rows = 0
        with told as sent:
            result = driver.execute(sent, *args, **options)
        sight = told.sight
        if sight is not None and told.place is not None and sight.tracing.observers:
            _declared[id(self)] = _Declared(self, sight, told.place, told.begun)
        return result

    def fetchone(self) -> Any:
        """Return the next row, as the driver does."""
        driver: Any = super()
        with _fetching(self) as fetch:
            row = driver.fetchone()
            fetch.rows = int(row is not None)
        return row

    def fetchmany(self, *args: Any, **options: Any) -> Any:
        """Return some rows, as the driver does."""
        driver: Any = super()
        with _fetching(self) as fetch:
            rows = driver.fetchmany(*args, **options)
            fetch.rows = len(rows)
        return rows

    def fetchall(self) -> Any:
        """Return the rows that are left, as the driver does."""
        driver: Any = super()
        with _fetching(self) as fetch:
            rows = driver.fetchall()
            fetch.rows = len(rows)
        return rows

    def scroll(self, *args: Any, **options: Any) -> Any:
        """Move, as the driver does."""
        driver: Any = super()
        with _fetching(self):
            return driver.scroll(*args, **options)

    def __next__(self) -> Any:
        driver: Any = super()
        with _fetching(self, one_of_many=True) as fetch:
            row = driver.__next__()
            fetch.rows = 1
        return row

    def close(self) -> Any:
        """Close the cursor, as the driver does."""
        driver: Any = super()
        declared = _declared.pop(id(self), None)
        if declared is None:
            return driver.close()
        declared.tell_rows()
        result = driver.close()
        declared.was_held()
        return result


class _Declared:
    """The statement of a cursor, as it was told of, and what it has come to since."""

    __slots__ = (
        *("_cursor", "_failed", "_place", "_rows", "_seconds", "_sight", "_since", "_spent"),
        "text",
    )

    def __init__(self, cursor: Any, sight: Sight, place: Place, begun: float) -> None:
        from multipool.watch.queries.log import text_of  # few pools count queries

        #: What stands for it, without its literals; empty where nobody counts.
        self.text = text_of(sight.last, ended=True) or ""
        self._sight = sight
        self._place = place
        self._seconds = sight.quiet_since - begun
        # Rows that were in memory when they were asked for, which nobody was told of yet.
        self._rows = 0
        self._failed = False
        # If it keeps the session for itself: since when nobody noted that, and what had been spent
        # by then.
        self._since = sight.quiet_since if cursor.withhold else None
        self._spent = sight.spent
        key = id(cursor)
        self._cursor = ref(cursor, lambda _: _declared.pop(key, None))

    def goes_on(self, seconds: float, rows: int, error: BaseException | None) -> None:
        """Tell that the server was asked for more."""
        told = None if self._failed else error  # it is one execution, which fails once
        self._failed = self._failed or error is not None
        rows += self._rows
        self._rows = 0
        self._sight.went_on(self.text, self._place, More(self._seconds, seconds, rows, told))
        self._seconds += seconds

    def was_held(self) -> None:
        """Note that nobody else could have had the connection until now."""
        if self._since is not None:
            now, sight = perf_counter(), self._sight
            # Other statements' time, and that of other cursors, is part of it.
            sight.spent = max(sight.spent, self._spent + now - self._since)
            self._since, self._spent = now, sight.spent

    def had_in_memory(self, rows: int) -> None:
        """Note *rows* that the server was not asked for."""
        self._rows += rows

    def tell_rows(self) -> None:
        """Tell of what was noted so."""
        if self._rows:
            self.goes_on(0.0, 0, None)


#: By the id of the cursor. Not in it, since one of psycopg's has room for nothing of ours.
_declared: Final[dict[int, _Declared]] = {}


class _fetching:  # noqa: N801  # used as a function; @contextmanager costs several times it
    """Tell of what *cursor* fetches in a block.

    *one_of_many*: a row that the server need not be asked for, if it came with others.
    """

    __slots__ = ("_begun", "_declared", "_one_of_many", "_sight", "rows")

    def __init__(self, cursor: Any, *, one_of_many: bool = False) -> None:
        self._one_of_many = one_of_many
        self.rows = 0
        sight = sight_of(cursor.connection)
        if sight is not None and sight.statement is not None:
            sight = None  # a method of the user's class that calls another one
        self._sight = sight
        self._declared = None if sight is None else _declared.get(id(cursor))

    def __enter__(self) -> Self:
        sight, declared = self._sight, self._declared
        if sight is not None:
            self._begun = perf_counter()
            if declared is not None and declared.text:
                sight.statement = sight.last = declared.text
            else:
                sight.statement = "fetch"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sight, declared = self._sight, self._declared
        if sight is None:
            return
        sight.stirs()
        sight.statement = None
        if isinstance(error, StopIteration):
            error = None
        seconds = sight.quiet_since - self._begun
        if sight.tracing.observers:
            sight.spent += seconds
        if declared is not None:
            if self._one_of_many and seconds < _AT_ONCE and error is None:
                declared.had_in_memory(self.rows)
                if not self.rows:
                    declared.tell_rows()
            else:
                declared.goes_on(seconds, self.rows, error)
                declared.was_held()
