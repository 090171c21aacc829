"""Cursors whose rows stay on the server, and what their statement takes as it is fetched from.

In a transaction the server works when rows are asked for, not when the cursor is declared. So
their statement counts as one execution, which goes on with each fetch.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import ref

from multipool.watch.cursor import Observed, has_params, observing
from multipool.watch.tracing import More

if TYPE_CHECKING:
    from types import TracebackType

    from multipool.watch.sight import Sight
    from multipool.watch.stacks import Place


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
        if sight is not None:
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
        declared = _declared.get(id(self))
        if declared is None or declared.sight.statement is not None:
            return driver.__next__()
        if not self._asks_nobody():
            with _fetching(self) as fetch:
                row = driver.__next__()
                fetch.rows = 1
            return row
        # Told of with the next fetch: of these there may be a million.
        try:
            row = driver.__next__()
        except StopIteration:
            declared.tell_rows()
            raise
        declared.rows += 1
        declared.sight.quiet_since = perf_counter()
        return row

    def _asks_nobody(self) -> bool:
        """Return whether the next row of an iteration, or that there is none, is known already."""
        raise NotImplementedError

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
        *("_cursor", "_failed", "_place", "_seconds", "_since", "_spent"),
        *("rows", "sight", "text"),
    )

    def __init__(self, cursor: Any, sight: Sight, place: Place | None, begun: float) -> None:
        from multipool.watch.queries.log import text_of  # few pools count queries

        self.sight = sight
        #: What stands for it, without its literals.
        self.text = text_of(sight.last, ended=True) or "fetch"
        #: Rows that were in memory when they were asked for, which nobody was told of yet.
        self.rows = 0
        self._place = place
        self._seconds = sight.quiet_since - begun
        self._failed = False
        # If it keeps the session for itself: since when nobody noted that, and what had been spent
        # by then.
        self._since = sight.quiet_since if cursor.withhold else None
        self._spent = sight.spent
        key = id(cursor)
        self._cursor = ref(cursor, lambda _: _declared.pop(key, None))

    def fetched(self, begun: float, rows: int, error: BaseException | None) -> None:
        """Note that *rows* were asked for at *begun*, and have come."""
        sight = self.sight
        sight.stirs()
        sight.statement = None
        if not sight.tracing.observers:
            return
        seconds = sight.quiet_since - begun
        sight.spent += seconds
        self._tell(seconds, rows, error)
        self.was_held()

    def tell_rows(self) -> None:
        """Tell of the rows that nobody was told of."""
        if self.rows:
            self._tell(0.0, 0, None)

    def was_held(self) -> None:
        """Note that nobody else could have had the connection until now."""
        if self._since is not None:
            now, sight = perf_counter(), self.sight
            # Other statements' time, and that of other cursors, is part of it.
            sight.spent = max(sight.spent, self._spent + now - self._since)
            self._since, self._spent = now, sight.spent

    def _tell(self, seconds: float, rows: int, error: BaseException | None) -> None:
        told = None if self._failed else error  # it is one execution, which fails once
        self._failed = self._failed or error is not None
        rows += self.rows
        self.rows = 0
        if self._place is not None:
            self.sight.went_on(self.text, self._place, More(self._seconds, seconds, rows, told))
        self._seconds += seconds


#: By the id of the cursor. Not in it, since one of psycopg's has room for nothing of ours.
_declared: Final[dict[int, _Declared]] = {}


class _fetching:  # noqa: N801  # used as a function; @contextmanager costs several times it
    """Tell of what *cursor* fetches in a block."""

    __slots__ = ("_begun", "_declared", "rows")

    def __init__(self, cursor: Any) -> None:
        self.rows = 0
        declared = _declared.get(id(cursor))
        if declared is not None and declared.sight.statement is not None:
            declared = None  # a method of the user's class that calls another one
        self._declared = declared

    def __enter__(self) -> Self:
        declared = self._declared
        if declared is not None:
            self._begun = perf_counter()
            declared.sight.statement = declared.sight.last = declared.text
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._declared is not None:
            ends = kind is StopIteration  # of the rows, and as it should
            self._declared.fetched(self._begun, self.rows, None if ends else error)
