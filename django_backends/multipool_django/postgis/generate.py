"""Writes the packages ``psycopg2`` and ``psycopg`` beside this file.

They are to ``django.contrib.gis.db.backends.postgis`` what those of `multipool_django.generate`
are to Django's PostgreSQL backend::

    python -m multipool_django.postgis.generate
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from multipool_django import generate
from multipool_django.generate import HEADER, MODULE, STUB, Backend

HERE: Final = Path(__file__).parent
ORIGINAL: Final = "django.contrib.gis.db.backends.postgis"

#: Where the ENGINEs are.
PACKAGES: Final = "multipool_django.postgis"

#: The modules that differ by driver, if only by what they inherit from.
MODULES: Final = ("adapter", "base", "features", "introspection", "operations", "schema")

#: Those that are the same for all: models would be registered twice.
SHARED: Final = ("const", "models", "pgraster")

#: Django has no PostGIS for pg8000's like.
BACKENDS: Final = tuple(backend for backend in generate.BACKENDS if backend.driver != "pg8000")

PACKAGE: Final = '''\
"""``ENGINE = "{package}"``: Django's PostGIS backend, pooled."""

from multipool_django.twin import Twin

twin = Twin(
    __name__,
    driver="{driver}",
    hidden={hidden},
    stand_ins={{"django.db.backends.postgresql": "multipool_django.{driver}"}},
    original="{original}",
)
'''

BASE: Final = '''\
"""Django's ``postgis.base`` for {driver}, and on top of it the wrapper with the pool."""

from {package} import twin
from multipool_django.postgis.wrapper import SpatialWrapper

original = twin.execute(globals())


class DatabaseWrapper(SpatialWrapper, original.DatabaseWrapper):
    """A connection of Django to PostGIS through {driver}, taken from a pool."""

    plain = original.PsycopgDatabaseWrapper
'''

SHARED_MODULE: Final = '''\
"""Django's ``postgis.{module}``, the same for all."""

from {original}.{module} import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
'''

BASE_STUB: Final = """\
from multipool_django.postgis.wrapper import SpatialWrapper
from multipool_django.{driver}.base import DatabaseWrapper as PlainWrapper

class DatabaseWrapper(SpatialWrapper, PlainWrapper): ...
"""


def render() -> dict[Path, str]:
    """Return the text of each generated file."""
    return {path: text for backend in BACKENDS for path, text in _render(backend).items()}


def _render(backend: Backend) -> dict[Path, str]:
    folder = HERE / backend.driver
    names = {
        **backend.names,
        "backend": "postgis",
        "package": f"{PACKAGES}.{backend.driver}",
        "original": ORIGINAL,
    }
    templates = {"__init__.py": PACKAGE}
    for module in SHARED:
        templates[f"{module}.py"] = SHARED_MODULE
    for module in MODULES:
        templates[f"{module}.py"] = BASE if module == "base" else MODULE
        templates[f"{module}.pyi"] = BASE_STUB if module == "base" else STUB
    return {
        folder / file: HEADER + template.format(module=file.partition(".")[0], **names)
        for file, template in templates.items()
    }


if __name__ == "__main__":
    generate.write(render())
