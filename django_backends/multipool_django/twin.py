"""Django's PostgreSQL backend, executed once more for one driver.

``django.db.backends.postgresql`` chooses between psycopg and psycopg2 when it is
imported: for the whole process, psycopg first, and nothing else. A subclass comes too
late to change that. So each of our backends is a twin: the installed Django's own
modules run a second time, under our package's name, with an ``import`` that

- sends ``django.db.backends.postgresql`` and its modules to the twin's own,
- hides the drivers that the twin is not for,
- answers with a stand-in where the driver is not one that Django knows.

No source is copied: the code objects are those of Django's files, so tracebacks,
debuggers and the bytecode cache point there.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.machinery import PathFinder
from types import MappingProxyType
from typing import Any, Final

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends import postgresql

from multipool import get_driver
from multipool.errors import PoolConfigError
from multipool_django.known_settings import known

ORIGINAL: Final = postgresql.__name__

#: The versions of Django whose sources are known to work when executed a second time.
SUPPORTED: Final = ((5, 2), (6, 0), (6, 1))


class Twin:
    """The second life of a backend of Django's, as the package *package*.

    Args:
        package: The package whose modules call `execute`; also the ENGINE.
        driver: The name of the multipool driver that must be installed.
        hidden: Top-level modules that the twin must not find.
        stand_ins: Modules, each with the package that answers in its place.
        original: Django's package.

    Raises `ImproperlyConfigured` if this Python, this Django or the driver will not do.
    """

    def __init__(
        self,
        package: str,
        driver: str,
        *,
        hidden: Iterable[str],
        stand_ins: Mapping[str, str] = MappingProxyType({}),
        original: str = ORIGINAL,
    ) -> None:
        self.package = package
        self.driver = driver
        self._hidden = frozenset(hidden)
        self._original = original
        self._redirects = {original: package, **stand_ins}
        # What code finds in its ``__builtins__`` is CPython's way to its ``import``. It
        # holds for imports inside functions too, however late they run.
        self.builtins = {**vars(builtins), "__import__": self._import}
        self._require_python()
        self._require_django()
        self._require_driver()

    def execute(self, namespace: dict[str, Any]) -> Any:
        """Execute the Django module of the same name in *namespace*, the globals of ours.

        Returns our module, which now has all of Django's names. Raises
        `ImproperlyConfigured` if Django comes without its sources.
        """
        name = namespace["__name__"].removeprefix(f"{self.package}.")
        self.execute_other(f"{self._original}.{name}", namespace)
        return sys.modules[namespace["__name__"]]

    def execute_other(self, name: str, namespace: dict[str, Any]) -> None:
        """Execute the module *name* in *namespace*, importing as the twin does.

        Raises `ImproperlyConfigured` if it comes without its source.
        """
        parent = import_module(name.rpartition(".")[0])
        # Not `importlib.util.find_spec`, which believes `sys.modules`, where one of our
        # own may stand under this name.
        spec = PathFinder.find_spec(name, parent.__path__)
        # What an importer offers if it has source or bytecode; it keeps the cache too.
        get_code = getattr(spec and spec.loader, "get_code", None)
        code = get_code and get_code(name)
        if spec is None or code is None:
            raise ImproperlyConfigured(
                f"{self.package} is made from Django's own sources, and {name} has none here"
                " (a frozen or compiled Django will not do)"
            )
        namespace["__builtins__"] = self.builtins
        # For `inspect`, which looks for the source of a class in its module's file.
        namespace["__file__"] = spec.origin
        exec(code, namespace)  # noqa: S102  # the very purpose: the installed Django's own code
        if namespace.get("settings") is settings:
            namespace["settings"] = known  # of which each cursor asks for one

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002  # as in `__import__`
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Do as `builtins.__import__` does, for the twin's eyes.

        A relative import needs no help: ``__package__`` is the twin's.
        """
        if level == 0:
            top = name.partition(".")[0]
            if top in self._hidden:
                raise ModuleNotFoundError(
                    f"{self.package} runs on {self.driver}: {top!r} is hidden from it", name=top
                )
            for original, ours in self._redirects.items():
                if name == original or name.startswith(f"{original}."):
                    target = ours + name.removeprefix(original)
                    if not fromlist:
                        return self._import_top(original, target)
                    name = target
                    break
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _import_top(self, original: str, target: str) -> Any:
        """Import *target* and return what ``import a.b`` binds: that which stands for ``a``."""
        if "." in original:
            # It would bind "django", which is nobody's to replace. Django does not do it.
            raise ImportError(
                f"{self.package}: of {original} only 'from ... import ...' can be redirected"
            )
        import_module(target)
        return sys.modules[self._redirects[original]]

    def _require_python(self) -> None:
        if sys.implementation.name != "cpython":
            raise ImproperlyConfigured(
                f"{self.package} needs CPython, whose functions keep the import they were"
                f" made with; this is {sys.implementation.name}"
            )

    def _require_django(self) -> None:
        if django.VERSION[:2] not in SUPPORTED:
            known = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
            raise ImproperlyConfigured(
                f"{self.package} is made from Django's own sources and knows those of Django"
                f" {known}; this is {django.get_version()}"
            )

    def _require_driver(self) -> None:
        try:
            get_driver(self.driver)
        except PoolConfigError as error:
            raise ImproperlyConfigured(f"{self.package}: {error}") from error
