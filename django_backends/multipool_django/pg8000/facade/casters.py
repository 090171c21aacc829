"""psycopg2's typecasters: what reads the values of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from multipool_pg8000 import Connection, Cursor
from multipool_pg8000.defaults import adapters
from multipool_pg8000.nested import parse_array


@dataclass(frozen=True)
class Caster:
    """A way to *load* PostgreSQL's text, for columns of the types *values* (OIDs)."""

    values: tuple[int, ...]
    name: str
    load: Callable[[str], Any]


#: Reads a text as it is.
STRING: Final = Caster((), "STRING", str)
UNICODE: Final = STRING


def new_array_type(values: Iterable[int], name: str, base: Caster) -> Caster:
    """Return a caster for arrays of what *base* reads."""
    return Caster(tuple(values), name, partial(parse_array, load=base.load))


def register_type(caster: Caster, scope: Connection | Cursor | None = None) -> None:
    """Read columns of the caster's types with it: in *scope*, or in the whole process."""
    registry = adapters if scope is None else scope.adapters
    for oid in caster.values:
        registry.register_loader(oid, caster.load)
