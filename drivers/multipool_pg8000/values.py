"""What a Python value becomes on its way to the server."""

from __future__ import annotations

from typing import NamedTuple


class Typed(NamedTuple):
    """A value in PostgreSQL's text form, with its type: bound, or written as a literal."""

    #: The type's OID; 0 leaves it to the server.
    oid: int
    text: str
    #: The type's name for a literal's cast, where the OID is not one of PostgreSQL's own.
    cast: str | None = None


class Inline(NamedTuple):
    """A piece of SQL that stands for the value and is written into the text as it is."""

    sql: str


Dumped = Typed | Inline

#: NULL needs no type where it stands in the text, and cannot be told without one as a parameter.
NULL = Inline("NULL")
