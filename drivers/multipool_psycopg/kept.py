"""psycopg's own store of what it has prepared on a connection, kept for the pool."""

from __future__ import annotations

from typing import Any

from psycopg._preparing import Prepare, PrepareManager


class KeptStatements(PrepareManager):
    """Keeps what is prepared when a transaction is rolled back, as the server does.

    psycopg's own drops all of it then, with one more round trip, lest a table that is made
    anew should be missed. Here the pool sees to that.
    """

    def clear(self) -> bool:
        """Drop nothing: psycopg says when, but it is not its business."""
        return False

    def maybe_add_to_cache(self, query: Any, prep: Prepare, name: bytes) -> Any:
        """Note that *query* is executed, as psycopg does, and keep no more than it may.

        psycopg's own holds one more for each that was executed unprepared before.
        """
        key = super().maybe_add_to_cache(query, prep, name)
        if key is None and prep is Prepare.SHOULD:
            self._rotate()
        return key

    def validate(self, key: Any, prep: Any, name: bytes, results: Any) -> None:
        """Note the outcome of a first execution, and have the server drop what has failed."""
        super().validate(key, prep, name, results)
        if prep is Prepare.SHOULD and key not in self._names and name not in self._to_flush:
            self._to_flush.append(name)  # psycopg forgets only its own side of it

    def drop(self) -> None:
        """Use no more what is prepared; the server is told when something is executed next."""
        self._to_flush.extend(self._names.values())
        self._names.clear()

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
