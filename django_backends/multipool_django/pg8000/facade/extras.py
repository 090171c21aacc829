"""What Django uses of ``psycopg2.extras``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from multipool_django.pg8000.facade.hstore import register_hstore
from multipool_pg8000 import Connection, oids
from multipool_pg8000.adapters import Adapters
from multipool_pg8000.defaults import adapters
from multipool_pg8000.literals import quote
from multipool_pg8000.ranges import (
    DateRange,
    DateTimeRange,
    DateTimeTZRange,
    NumericRange,
    Range,
)
from multipool_pg8000.values import Typed
from multipool_pg8000.wrappers import Inet

__all__ = [
    "DateRange",
    "DateTimeRange",
    "DateTimeTZRange",
    "Inet",
    "Json",
    "NumericRange",
    "Range",
    "register_default_jsonb",
    "register_hstore",
    "register_uuid",
]


class Json:
    """A value to be sent as JSON; *dumps* makes the text."""

    def __init__(self, adapted: Any, dumps: Callable[[Any], str] = json.dumps) -> None:
        self.adapted = adapted
        self._dumps = dumps

    def dumps(self, obj: Any) -> str:
        """Return *obj* as JSON."""
        return self._dumps(obj)

    def getquoted(self) -> bytes:
        """Return the literal, without a type: the server knows the column's."""
        return quote(self.dumps(self.adapted)).encode()


def _dump_json(value: Json, registry: Adapters) -> Typed:
    # Django's Jsonb, the one subclass there is, adds a cast to the literal.
    oid = oids.UNKNOWN if type(value) is Json else oids.JSONB
    return Typed(oid, value.dumps(value.adapted))


adapters.register_dumper(Json, _dump_json)


def register_default_jsonb(conn_or_curs: Connection, loads: Callable[[str], Any]) -> None:
    """Read ``jsonb`` columns of a connection with *loads*."""
    conn_or_curs.adapters.register_loader(oids.JSONB, loads)


def register_uuid() -> None:
    """Do nothing: the adapter sends and reads UUIDs without being told."""
