"""``hstore``: a dict of texts, in a type whose OID differs from database to database."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from multipool_pg8000 import Connection
from multipool_pg8000.adapters import Adapters
from multipool_pg8000.nested import parse_array
from multipool_pg8000.values import Dumped, Typed

_TEXT: Final = r'"((?:[^"\\]|\\.)*)"'
_PAIR: Final = re.compile(rf"{_TEXT}=>(?:NULL|{_TEXT})", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def register_hstore(
    conn_or_curs: Connection,
    globally: bool,
    oid: Iterable[int],
    array_oid: Iterable[int],
) -> None:
    """Send dicts as ``hstore`` and read it as dicts, on this connection.

    On this one even with *globally*: its pool may stand beside one of another database,
    where the OIDs are others.
    """
    oids = tuple(oid)
    registry = conn_or_curs.adapters
    registry.register_dumper(dict, partial(_dump, oid=oids[0]))
    for each in oids:
        registry.register_loader(each, parse)
    for each in array_oid:
        registry.register_loader(each, partial(parse_array, load=parse))


def _dump(value: dict[str, str | None], registry: Adapters, oid: int) -> Dumped:
    pairs = (
        f"{_quoted(key)}=>{'NULL' if item is None else _quoted(item)}"
        for key, item in value.items()
    )
    return Typed(oid, ",".join(pairs), "hstore")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse(text: str) -> dict[str, str | None]:
    """Return the dict in an hstore's *text*."""
    return {
        _ESCAPE.sub(r"\1", key): None if item is None else _ESCAPE.sub(r"\1", item)
        for key, item in ((match[1], match[2]) for match in _PAIR.finditer(text))
    }
