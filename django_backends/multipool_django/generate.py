"""Writes the packages ``psycopg2``, ``pg8000`` and ``psycopg`` beside this file.

Each is an ENGINE: a twin of Django's PostgreSQL backend (see `multipool_django.twin`),
one small module for each of Django's, and a stub for type checkers. They are committed,
so that they can be read, packaged and imported like any others; a test holds them equal
to what this module renders::

    python -m multipool_django.generate
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent

#: The modules of ``django.db.backends.postgresql``.
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
    hidden: tuple[str, ...]
    #: The package inside this ENGINE's that Django gets for psycopg2, if any.
    facade: str | None = None

    @property
    def package(self) -> str:
        return f"multipool_django.{self.driver}"

    @property
    def twin(self) -> str:
        """The expression that makes the `Twin`."""
        arguments = [
            "__name__",
            f'driver="{self.driver}"',
            f"hidden=[{', '.join(_quoted(name) for name in self.hidden)}]",
        ]
        if self.facade:
            arguments.append(f'stand_ins={{"psycopg2": f"{{__name__}}.{self.facade}"}}')
        return f"Twin({', '.join(arguments)})"


BACKENDS: Final = (
    Backend("psycopg2", hidden=("psycopg",)),
    Backend("pg8000", hidden=("psycopg",), facade="facade"),
    Backend("psycopg", hidden=("psycopg2",)),
)

HEADER: Final = "# Written by multipool_django.generate; change that instead.\n"

PACKAGE: Final = '''\
"""``ENGINE = "{package}"``: Django's PostgreSQL backend on {driver}, pooled."""

from multipool_django.twin import Twin

twin = {twin}
'''

MODULE: Final = '''\
"""Django's ``postgresql.{module}`` for {driver}."""

from {package} import twin

twin.execute(globals())
'''

BASE: Final = '''
from multipool_django.wrapper import PooledWrapper  # noqa: E402  # Django's names come first


class DatabaseWrapper(PooledWrapper, DatabaseWrapper):  # noqa: F821  # Django's own, until here
    """A connection of Django to PostgreSQL through {driver}, taken from a pool."""

    driver = "{driver}"
    IsolationLevel = IsolationLevel  # noqa: F821  # Django's, with this driver's numbers
'''

OPERATIONS: Final = '''
# A string in Django. It must name this package's compiler, or there would be two kinds
# of `InsertUnnest`, of which each knows only its own.
DatabaseOperations.compiler_module = "{package}.compiler"  # noqa: F821
'''

STUB: Final = """\
from django.db.backends.postgresql.{module} import *
"""

BASE_STUB: Final = """\
from typing import ClassVar

from django.db.backends.postgresql.base import *
from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper
from multipool_django.wrapper import PooledWrapper

class DatabaseWrapper(PooledWrapper, DjangoWrapper):  # type: ignore[misc]
    driver: ClassVar[str]
"""


def render() -> dict[Path, str]:
    """Return the text of each generated file."""
    files: dict[Path, str] = {}
    for backend in BACKENDS:
        folder = HERE / backend.driver
        names = {"package": backend.package, "driver": backend.driver, "twin": backend.twin}
        files[folder / "__init__.py"] = HEADER + PACKAGE.format(**names)
        for module in MODULES:
            extra = {"base": BASE, "operations": OPERATIONS}.get(module, "")
            text = MODULE.format(module=module, **names) + extra.format(**names)
            files[folder / f"{module}.py"] = HEADER + text
            stub = BASE_STUB if module == "base" else STUB
            files[folder / f"{module}.pyi"] = HEADER + stub.format(module=module)
    return files


def write() -> None:
    """Write the generated files."""
    for path, text in render().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _quoted(text: str) -> str:
    return f'"{text}"'


if __name__ == "__main__":
    write()
