"""Writes the packages ``psycopg2``, ``pg8000`` and ``psycopg`` beside this file.

Each is an ENGINE: a twin of Django's PostgreSQL backend (see `multipool_django.twin`),
one small module for each of Django's, and a stub for type checkers. They are committed,
so that they can be read, packaged and imported like any others; a test holds them equal
to what this module renders::

    python -m multipool_django.generate
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ORIGINAL: Final = "django.db.backends.postgresql"

#: The modules of it.
MODULES: Final = (
    "base",
    "client",
    "compiler",
    "creation",
    "features",
    "introspection",
    "operations",
    "psycopg_any",
    "schema",
)


@dataclass(frozen=True)
class Backend:
    """What tells one ENGINE from the others."""

    #: The multipool driver, and the package's name.
    driver: str
    #: What Django must not find, so that it chooses the driver.
    hidden: list[str]
    #: The package that Django gets in the place of another.
    stand_ins: dict[str, str] = field(default_factory=dict)

    @property
    def package(self) -> str:
        return f"multipool_django.{self.driver}"

    @property
    def names(self) -> dict[str, str]:
        """What the templates name, lists and dicts as source text."""
        return {
            "backend": "postgresql",
            "original": ORIGINAL,
            "package": self.package,
            "driver": self.driver,
            "hidden": json.dumps(self.hidden),
            "stand_ins": json.dumps(self.stand_ins),
        }


BACKENDS: Final = (
    Backend("psycopg2", hidden=["psycopg"]),
    Backend("pg8000", ["psycopg"], {"psycopg2": "multipool_django.pg8000.facade"}),
    Backend("psycopg", hidden=["psycopg2"]),
)

HEADER: Final = "# Written by multipool_django.generate; change that instead.\n"

PACKAGE: Final = '''\
"""``ENGINE = "{package}"``: Django's PostgreSQL backend on {driver}, pooled."""

from multipool_django.primary import make_primary_if_undisputed
from multipool_django.twin import Twin

twin = Twin(
    __name__,
    driver="{driver}",
    hidden={hidden},
    stand_ins={stand_ins},
)

make_primary_if_undisputed(twin)
'''

MODULE: Final = '''\
"""Django's ``{backend}.{module}`` for {driver}."""

from {package} import twin

twin.execute(globals())
'''

BASE: Final = '''\
"""Django's ``postgresql.base`` for {driver}, and on top of it the wrapper with the pool."""

from {package} import twin
from multipool_django.wrapper import PooledWrapper

original = twin.execute(globals())


class DatabaseWrapper(PooledWrapper, original.DatabaseWrapper):
    """A connection of Django to PostgreSQL through {driver}, taken from a pool."""

    driver = "{driver}"
    IsolationLevel = original.IsolationLevel
'''

CLIENT: Final = '''\
"""Django's ``postgresql.client`` for {driver}."""

from multipool_django.passwords import PasswordForShell
from {package} import twin

original = twin.execute(globals())


class DatabaseClient(PasswordForShell, original.DatabaseClient):
    """psql, as ``manage.py dbshell`` starts it."""
'''

CREATION: Final = '''\
"""Django's ``postgresql.creation`` for {driver}."""

from multipool_django.creation import PooledCreation
from {package} import twin

original = twin.execute(globals())


class DatabaseCreation(PooledCreation, original.DatabaseCreation):
    """The test runner's databases."""
'''

FEATURES: Final = '''\
"""Django's ``postgresql.features`` for {driver}."""

from multipool_django.exclusions import Exclusions
from {package} import twin

original = twin.execute(globals())


class DatabaseFeatures(Exclusions, original.DatabaseFeatures):
    """What Django may expect of PostgreSQL through {driver}."""
'''

OPERATIONS: Final = '''\
"""Django's ``postgresql.operations`` for {driver}."""

from {package} import twin

original = twin.execute(globals())

# A string in Django. It must name this package's compiler, or there would be two kinds
# of `InsertUnnest`, of which each knows only its own.
original.DatabaseOperations.compiler_module = "{package}.compiler"
'''

STUB: Final = """\
from {original}.{module} import *  # noqa: F403
"""

BASE_STUB: Final = """\
from typing import ClassVar

from django.db.backends.postgresql.base import Cursor as Cursor
from django.db.backends.postgresql.base import CursorDebugWrapper as CursorDebugWrapper
from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper
from django.db.backends.postgresql.base import psycopg_version as psycopg_version

from multipool_django.wrapper import PooledWrapper

class DatabaseWrapper(PooledWrapper, DjangoWrapper):
    driver: ClassVar[str]
"""

#: The modules that are more than Django's.
SOURCES: Final = {
    "base": BASE,
    "client": CLIENT,
    "creation": CREATION,
    "features": FEATURES,
    "operations": OPERATIONS,
}
STUBS: Final = {"base": BASE_STUB}


def render() -> dict[Path, str]:
    """Return the text of each generated file."""
    files: dict[Path, str] = {}
    for backend in BACKENDS:
        folder = HERE / backend.driver
        files[folder / "__init__.py"] = HEADER + PACKAGE.format(**backend.names)
        for module in MODULES:
            source = SOURCES.get(module, MODULE)
            stub = STUBS.get(module, STUB)
            for suffix, template in ((".py", source), (".pyi", stub)):
                text = template.format(module=module, **backend.names)
                files[folder / f"{module}{suffix}"] = HEADER + text
    return files


def write(files: dict[Path, str]) -> None:
    """Write the generated *files*."""
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(render())
