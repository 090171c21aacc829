"""The types of parameters, told from the literals that a driver makes of them.

For drivers that write parameters into the text. ``PREPARE`` is given the type that each
literal would have where it stands, so that the statement means the same as without: ``5`` is
an integer, ``1.5`` numeric, ``'a'`` of the type that its place asks for, and ``'...'::date`` a
date. What is not recognised is not prepared.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

NULL: Final = b"NULL"

_QUOTED: Final = rb"(?:'(?:[^']++|'')*+'| ?E'(?:[^'\\]++|''|\\.)*+')"
# Up to 2147483647. The minus is an operator, which the server takes for a sign here all the same:
# so there is one more below 0.
_INT4: Final = (
    rb"(?:1?\d{1,9}|20\d{8}|21[0-3]\d{7}|214[0-6]\d{6}|2147[0-3]\d{5}|21474[0-7]\d{4}"
    rb"|214748[0-2]\d{3}|2147483[0-5]\d{2}|21474836[0-3]\d|214748364[0-7])(?!\d)"
)
_TYPE_NAME: Final = re.compile(_QUOTED + rb"::([a-z_][a-z0-9_]*(?:\[\])?)", re.DOTALL)


class Kind(NamedTuple):
    """A type, and the literals that have it."""

    type: str
    pattern: bytes
    #: For integers: the least and the greatest, where -1 counts as 0, -2 as 1, and so on.
    span: tuple[int, int] | None = None


#: The least and the greatest integer of four bytes.
LEAST: Final = -(2**31)
GREATEST: Final = 2**31 - 1

_LEAST_INT4: Final = rb"-2147483648(?!\d)"
_INTEGER: Final = Kind("int4", rb" ?(?:-?" + _INT4 + rb"|" + _LEAST_INT4 + rb")", (0, GREATEST))
_LONG_INTEGER: Final = Kind(
    "int8",
    rb" ?(?!" + _LEAST_INT4 + rb")-?(?!" + _INT4 + rb")\d{10,18}",
    (2**31, 10**18 - 1),
)
#: The type of a quoted literal is left to the server.
UNKNOWN: Final = Kind("unknown", _QUOTED)
_PLAIN: Final = (
    _INTEGER,
    _LONG_INTEGER,
    Kind("numeric", rb" ?-?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)"),
    Kind("boolean", rb"(?:true|false)"),
    UNKNOWN,
    Kind("int4[]", rb"ARRAY\[-?" + _INT4 + rb"(?:, ?-?" + _INT4 + rb")*+\]"),
    Kind("text[]", rb"ARRAY\[" + _QUOTED + rb"(?:, ?" + _QUOTED + rb")*+\]"),
)
_COMPILED: Final = [(kind, re.compile(kind.pattern, re.DOTALL)) for kind in _PLAIN]


def kind_of(literal: bytes) -> Kind | None:
    """Return the kind of *literal*, or None for one that is not to be told."""
    for kind, pattern in _COMPILED:
        if pattern.fullmatch(literal):
            return kind
    named = _TYPE_NAME.fullmatch(literal)
    if named is None:
        return None
    return Kind(named[1].decode(), _QUOTED + b"::" + re.escape(named[1]))


def is_short(kind: Kind) -> bool:
    """Return whether it is an integer of four bytes, from `LEAST` to `GREATEST`."""
    return kind is _INTEGER
