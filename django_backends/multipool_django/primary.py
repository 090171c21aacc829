"""One ENGINE standing in for Django's own, for code that names Django's own modules.

``django.contrib.postgres``, and others that follow Django's documentation, import
``django.db.backends.postgresql.psycopg_any``, whatever ENGINE is in use. That module
knows psycopg and psycopg2 only, and takes the first that is installed. Where this is
not the driver in use, or neither is there, one ENGINE can be made primary: from then on
those names mean that ENGINE's modules.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends import postgresql

from multipool_django.engines import ENGINES
from multipool_django.generate import MODULES
from multipool_django.twin import ORIGINAL, Twin

CONTRIB: Final = "django.contrib.postgres"

#: The ENGINEs that have no use for the names in question; any other's may be PostgreSQL.
NOT_POSTGRESQL: Final = {
    "",
    *(f"django.db.backends.{name}" for name in ("dummy", "mysql", "oracle", "sqlite3")),
}


def make_primary(driver: str) -> None:
    """Let Django's own module names mean those of the ENGINE for *driver*, in this process.

    This redirects ``ENGINE = "django.db.backends.postgresql"`` as well. It is done for you
    where no other ENGINE for PostgreSQL is in use: when Django imports ours, or sooner, by
    ``"multipool_django"`` in INSTALLED_APPS. Else call it in the settings, before
    ``django.contrib.postgres`` is imported::

        from multipool_django.primary import make_primary

        make_primary("psycopg2")

    Raises `ImproperlyConfigured` if it comes too late, if another ENGINE is primary
    already, or if the driver is not installed.
    """
    twin: Twin = import_module(f"multipool_django.{driver}").twin
    known = _primary()
    if known is twin:
        return
    if known is not None:
        raise ImproperlyConfigured(f"{known.package} is primary already; there can be only one")
    if contrib_is_imported():
        raise ImproperlyConfigured(
            f"{twin.package} cannot be made primary any more: {CONTRIB} is imported already."
            f' Put "multipool_django" before "{CONTRIB}" in INSTALLED_APPS, or call'
            f" make_primary({driver!r}) in the settings"
        )
    sys.meta_path.insert(0, _ContribFinder(twin))
    for module in MODULES:
        ours = import_module(f"{twin.package}.{module}")
        sys.modules[f"{ORIGINAL}.{module}"] = ours
        setattr(postgresql, module, ours)


def make_primary_if_undisputed(twin: Twin) -> None:
    """Make *twin* primary where Django's own names can mean nothing else.

    Called when an ENGINE is imported. That is so where Django's own modules could not be
    imported anyway, and where the settings name no other ENGINE for PostgreSQL. If it is too
    late for ``django.contrib.postgres``, each driver's connections are at least treated as
    their own.
    """
    if djangos_choice() is None:
        make_primary(twin.driver)
    elif contrib_is_imported():
        from multipool_django.type_handlers import dispatch_by_driver  # which imports this

        dispatch_by_driver()
    elif settings.configured and _primary() is None:
        make_primary_by_settings(settings.DATABASES)


def make_primary_by_settings(databases: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the one ENGINE of ours in *databases* primary.

    Does nothing where there are several of ours, or where Django's own is in use, or one
    that may be made from it: then the choice is yours. Raises `ImproperlyConfigured` as
    `make_primary` does, but not for being late where Django chose the same driver.
    """
    engines = {database.get("ENGINE") or "" for database in databases.values()} - NOT_POSTGRESQL
    if len(engines) != 1:
        return
    driver = ENGINES.get(engines.pop())
    late = contrib_is_imported() and driver == djangos_choice()
    if driver is not None and not late:
        make_primary(driver)


def djangos_choice() -> str | None:
    """Return the driver that Django's own modules take here, if any."""
    return next((name for name in ("psycopg", "psycopg2") if find_spec(name)), None)


def contrib_is_imported() -> bool:
    """Return whether ``django.contrib.postgres`` has been imported, for whatever driver."""
    # A copy in one step, since another thread may import something meanwhile.
    return any(name.startswith(f"{CONTRIB}.") for name in list(sys.modules))


def _primary() -> Twin | None:
    finders = (finder for finder in sys.meta_path if isinstance(finder, _ContribFinder))
    return next((finder.twin for finder in finders), None)


class _ContribFinder(MetaPathFinder):
    """Has ``django.contrib.postgres`` imported as *twin* would import it.

    Some of its modules import psycopg or psycopg2 by name.
    """

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{CONTRIB}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _ContribLoader(fullname, spec.loader.path, self.twin)
        return spec


class _ContribLoader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, twin: Twin) -> None:
        super().__init__(fullname, path)
        self._twin = twin

    def exec_module(self, module: ModuleType) -> None:
        names: dict[str, Any] = vars(module)
        names["__builtins__"] = self._twin.builtins
        super().exec_module(module)
