"""Values as SQL literals, correct whatever they hold.

A text with a backslash is written as ``E'...'``, which means the same with
``standard_conforming_strings`` on and off; any other text means the same in plain quotes.
"""

from __future__ import annotations

import re
from typing import Final

from multipool_pg8000 import oids
from multipool_pg8000.values import Dumped, Inline

_DIGITS: Final = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z", re.ASCII)


def quote(text: str) -> str:
    """Return *text* as a string literal.

    Raises ValueError, as psycopg2 does, for a NUL character, which no text in PostgreSQL can hold.
    """
    refuse_nul(text)
    doubled = text.replace("'", "''")
    if "\\" in doubled:
        # The space keeps the E from growing together with a name before it.
        return " E'" + doubled.replace("\\", "\\\\") + "'"
    return f"'{doubled}'"


def identifier(name: str) -> str:
    """Return *name* as a quoted identifier. Raises ValueError."""
    refuse_nul(name)
    return '"' + name.replace('"', '""') + '"'


def literal(value: Dumped) -> str:
    """Return *value* as it can stand in SQL, with a cast where its type is known."""
    if isinstance(value, Inline):
        return value.sql
    oid, text, cast = value
    if oid in oids.NUMBERS and _DIGITS.match(text):
        # The space keeps two minus signs from becoming a comment; parentheses would be
        # refused where the grammar wants a bare number, as in ALTER SEQUENCE.
        return f" {text}" if text[0] == "-" else text
    if oid == oids.BOOL:
        return text
    name = cast or oids.NAME_OF.get(oid)
    return f"{quote(text)}::{name}" if name else quote(text)


def refuse_nul(text: str) -> None:
    """Raise ValueError if *text* holds a NUL character."""
    if "\0" in text:
        raise ValueError("A string literal cannot contain NUL (0x00) characters.")
