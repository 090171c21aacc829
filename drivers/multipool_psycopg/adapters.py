"""The adapters of one connection, which tell its pool when something is registered in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from psycopg.adapt import AdaptersMap
from psycopg.types import TypesRegistry

from multipool.driver import CLIENT

if TYPE_CHECKING:
    from psycopg.types import TypeInfo

    from multipool.driver import Pooled


class WatchedAdapters(AdaptersMap):
    """A copy of *template* for *conn*.

    Every cursor reads it, so the reading must cost nothing: only a change is looked at.
    """

    def __init__(self, conn: Pooled, template: AdaptersMap) -> None:
        # Weakly, since a connection that its borrower drops must be collected at once.
        self._multipool_conn = ref(conn)
        super().__init__(template)
        self.types = _WatchedTypes(self, self.types)

    def register_dumper(self, cls: Any, dumper: Any) -> None:
        """Register *dumper*, as psycopg does."""
        self.touch()
        super().register_dumper(cls, dumper)

    def register_loader(self, oid: Any, loader: Any) -> None:
        """Register *loader*, as psycopg does."""
        self.touch()
        super().register_loader(oid, loader)

    def touch(self) -> None:
        """Note that they are not any more as the pool made them."""
        conn = self._multipool_conn()
        if conn is not None:
            conn.touch(CLIENT)


class _WatchedTypes(TypesRegistry):
    def __init__(self, adapters: WatchedAdapters, template: TypesRegistry) -> None:
        self._multipool_adapters = ref(adapters)
        super().__init__(template)

    def add(self, info: TypeInfo) -> None:
        self._touch()
        super().add(info)

    def clear(self) -> None:
        self._touch()
        super().clear()

    def _touch(self) -> None:
        adapters = self._multipool_adapters()
        if adapters is not None:
            adapters.touch()
