"""One ENGINE standing in for Django's own, for code that names Django's own modules.

``django.contrib.postgres``, and others that follow Django's documentation, import
``django.db.backends.postgresql.psycopg_any``, whatever ENGINE is in use. That module
knows psycopg and psycopg2 only, and takes the first that is installed. Where this is
not the driver in use, or neither is there, one ENGINE can be made primary: from then on
those names mean that ENGINE's modules.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db.backends import postgresql

from multipool_django.generate import MODULES
from multipool_django.twin import ORIGINAL, Twin

CONTRIB: Final = "django.contrib.postgres"


def make_primary(driver: str) -> None:
    """Let Django's own module names mean those of the ENGINE for *driver*, in this process.

    This redirects ``ENGINE = "django.db.backends.postgresql"`` as well. Call it in the
    settings, before ``django.contrib.postgres`` is imported::

        from multipool_django.primary import make_primary

        make_primary("psycopg2")

    Raises `ImproperlyConfigured` if it comes too late, if another ENGINE is primary
    already, or if the driver is not installed.
    """
    twin: Twin = import_module(f"multipool_django.{driver}").twin
    known = [finder.twin for finder in sys.meta_path if isinstance(finder, _ContribFinder)]
    if known == [twin]:
        return
    if known:
        raise ImproperlyConfigured(f"{known[0].package} is primary already; there can be only one")
    if any(name.startswith(f"{CONTRIB}.") for name in sys.modules):
        raise ImproperlyConfigured(
            f"make_primary({driver!r}) comes too late: {CONTRIB} is imported already"
        )
    sys.meta_path.insert(0, _ContribFinder(twin))
    for module in MODULES:
        ours = import_module(f"{twin.package}.{module}")
        sys.modules[f"{ORIGINAL}.{module}"] = ours
        setattr(postgresql, module, ours)


def make_primary_if_alone(twin: Twin) -> None:
    """Make *twin* primary where Django's own modules could not be imported anyway."""
    if not find_spec("psycopg") and not find_spec("psycopg2"):
        make_primary(twin.driver)


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
