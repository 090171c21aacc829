"""What a psycopg connection keeps on the client's side, and how it is put back."""

from __future__ import annotations

from typing import Any, Final

from psycopg import ProgrammingError
from psycopg.adapt import AdaptersMap

from multipool_psycopg.connection import Connection

# Attributes whose setters want an idle connection and take a lock: set only where changed.
_CHARACTERISTICS: Final = ("autocommit", "isolation_level", "read_only", "deferrable")
_PLAIN: Final = (
    "cursor_factory",
    "server_cursor_factory",
    "row_factory",
    "prepare_threshold",
    "prepared_max",
)


class Settings:
    """The client-side settings of a connection at one moment."""

    def __init__(self, conn: Connection) -> None:
        self._values = {name: getattr(conn, name) for name in _CHARACTERISTICS + _PLAIN}
        self._notice_handlers = list(conn._notice_handlers)
        self._notify_handlers = list(conn._notify_handlers)
        # None until somebody asks for them: then psycopg makes a copy of the global ones.
        self._adapters = conn._adapters
        self._lend_adapters(conn)

    def restore(self, conn: Connection) -> None:
        """Put them back.

        Raises `ProgrammingError` for a connection left in pipeline mode or with a
        transaction prepared (two-phase).
        """
        if conn._tpc is not None:
            raise ProgrammingError("a two-phase transaction was left prepared")
        if conn._pipeline is not None:
            raise ProgrammingError("the connection was left in pipeline mode")
        for name, value in self._values.items():
            if getattr(conn, name) != value:
                setattr(conn, name, value)
        conn._notice_handlers[:] = self._notice_handlers
        conn._notify_handlers[:] = self._notify_handlers
        if _changed(conn._adapters):
            self._lend_adapters(conn)

    def _lend_adapters(self, conn: Connection) -> None:
        """Give *conn* a copy of the adapters (psycopg copies on write), so that `_changed`
        can tell whether the borrower has registered some.
        """
        conn._adapters = None if self._adapters is None else AdaptersMap(self._adapters)


def _changed(adapters: AdaptersMap | None) -> bool:
    """Tell whether anything was registered in *adapters* since they were copied."""
    if adapters is None:
        return False
    owned: tuple[Any, ...] = (
        adapters._own_loaders,
        adapters._own_dumpers_by_oid,
        adapters._own_dumpers.values(),
    )
    return adapters.types._own_state or any(True in flags for flags in owned)
