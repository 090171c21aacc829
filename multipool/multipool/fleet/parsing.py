"""JSON in which anybody may have written anything: one process's nonsense spoils nobody's page."""

from __future__ import annotations

import json
import re
from typing import Any, Final

#: Digits of a number that may be meant, see `values`. Python refuses to read thousands of them.
_LONGEST: Final = 20

#: Levels that a snapshot has, with some to spare. Python bears some hundreds.
_DEEPEST: Final = 20

#: A string, which may hold brackets; or a bracket.
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]')


def parse(told: str) -> Any:
    """Return the valid JSON *told* as Python's values.

    A number with too many digits is 0; what is nested too deeply to be read is null.
    """
    try:
        return json.loads(told, parse_int=_int)
    except RecursionError:
        return json.loads(_flattened(told), parse_int=_int)


def _int(digits: str) -> int:
    return int(digits) if len(digits) <= _LONGEST else 0


def _flattened(told: str) -> str:
    """Return *told* with null for whatever is nested more deeply than `_DEEPEST`."""
    parts: list[str] = []
    depth = begin = 0
    for token in _TOKEN.finditer(told):
        if token[0] in "[{":
            if depth == _DEEPEST:
                parts += told[begin : token.start()], "null"
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if depth == _DEEPEST:
                begin = token.end()
    return "".join([*parts, told[begin:]])
