"""psycopg's own store of what it has prepared on a connection, kept for the pool."""

from __future__ import annotations

from typing import Any, Final

from psycopg._preparing import Prepare, PrepareManager

#: For ``execute``'s ``prepare``: whatever psycopg's own threshold is. With True it prepares nothing
#: where that is None; and to set it meanwhile would be seen by threads that share the connection.
FOR_THE_POOL: Final[Any] = "for the pool"


class KeptStatements(PrepareManager):
    """Keeps what is prepared when a transaction is rolled back, as the server does.

    psycopg's own drops all of it then, with one more round trip, lest a table that is made
    anew should be missed. Here the pool sees to that.
    """

    def clear(self) -> bool:
        """Drop nothing: psycopg says when, but it is not its business."""
        return False

    def get(self, query: Any, prepare: Any = None) -> tuple[Prepare, bytes]:
        """Return whether *query* is prepared or to be prepared, and under which name."""
        if prepare is not FOR_THE_POOL:
            return super().get(query, prepare)
        name = self._names.get(self.key(query))
        if name is not None:
            return Prepare.YES, name
        name = f"_pg3_{self._prepared_idx}".encode()
        self._prepared_idx += 1
        return Prepare.SHOULD, name

    def maybe_add_to_cache(self, query: Any, prep: Prepare, name: bytes) -> Any:
        """Note that *query* is executed; return its key if the outcome is to be told.

        psycopg's own notes nothing where its threshold is None, and holds one more for each that
        was executed unprepared before.
        """
        if prep is Prepare.NO:
            return super().maybe_add_to_cache(query, prep, name)
        key = self.key(query)
        if key in self._names:
            self._names.move_to_end(key)
            return None
        self._counts.pop(key, None)
        self._names[key] = name
        return key

    def validate(self, key: Any, prep: Any, name: bytes, results: Any) -> None:
        """Note the outcome of a first execution, and have the server drop what has failed."""
        super().validate(key, prep, name, results)
        if prep is Prepare.SHOULD and key not in self._names and name not in self._to_flush:
            self._to_flush.append(name)  # psycopg forgets only its own side of it

    def drop(self) -> None:
        """Use no more what is prepared; the server is told when something is executed next."""
        # One by one: a thread that shares the connection may be adding some.
        while self._names:
            try:
                self._to_flush.append(self._names.popitem()[1])
            except KeyError:  # it has taken out the last
                break

    def forget(self) -> None:
        """Note that the server holds nothing any more."""
        forget_prepared(self)


def keep_statements(own: PrepareManager) -> KeptStatements:
    """Make psycopg's own manager one of these."""
    kept: Any = own
    kept.__class__ = KeptStatements
    found: KeptStatements = kept
    return found


def forget_prepared(manager: PrepareManager) -> None:
    """Let psycopg prepare anew: it does not see what deallocates, and would use what is gone."""
    manager._counts.clear()
    manager._names.clear()
    manager._to_flush.clear()
