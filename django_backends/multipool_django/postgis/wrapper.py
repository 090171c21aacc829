"""What a pool means to Django's PostGIS wrapper, the same for every driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from multipool_django.hold.connection import OnDemandConnection

if TYPE_CHECKING:
    from multipool_django.wrapper import PooledWrapper as Base
else:
    Base = object

#: What psycopg knows of PostGIS's types in each database: by host, port, name and service, then
#: by type and alias as in Django. Their numbers are the database's own.
_types: Final[dict[tuple[Any, ...], dict[str, dict[str, Any]]]] = {}


class SpatialWrapper(Base):
    """Registers PostGIS's types once for each physical connection, not at each checkout.

    Stands in front of Django's own PostGIS wrapper, which stands in front of ours.
    """

    #: The wrapper without PostGIS, given by each ENGINE.
    plain: ClassVar[type[Any]]

    @property
    def _type_infos(self) -> dict[str, dict[str, Any]]:
        # Django keeps them by alias alone. But a pool's connections are set up under no
        # alias, and the test runner changes a living alias's NAME.
        settings = self.settings_dict
        service = settings["OPTIONS"].get("service")
        target = (*(settings[name] for name in ("HOST", "PORT", "NAME")), service)
        return _types.setdefault(target, {"geometry": {}, "geography": {}, "raster": {}})

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection from the pool, which has registered the types, or a new one."""
        if self.pooled:
            return self.plain.get_new_connection(self, conn_params)
        return super().get_new_connection(conn_params)

    def register_geometry_adapters(self, pg_connection: Any, *args: Any, **options: Any) -> None:
        """Register the types with a connection of psycopg's, which the wrapper may have none of."""
        if isinstance(pg_connection, OnDemandConnection):
            pg_connection = pg_connection.unwrap()
        driver: Any = super()
        driver.register_geometry_adapters(pg_connection, *args, **options)

    def prepare_database(self) -> None:
        """Create the extension if need be; then no connection goes on without its types."""
        super().prepare_database()
        if None in self._type_infos["geometry"].values():
            for known in self._type_infos.values():
                known.clear()
            if self.pool is not None:
                self.pool.drain()
