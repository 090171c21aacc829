"""Taking apart the text of what holds other values: arrays and ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from multipool_pg8000.ranges import Range

# One step through an array's text: a brace, a comma, or an element with or without quotes.
_STEP: Final = re.compile(
    r'(?P<mark>[{},])|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^{},"]+)', re.S
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_LIMIT: Final = r'(?:"(?:[^"\\]|\\.|"")*"|[^",()\[\]]*)'
_RANGE: Final = re.compile(rf"([\[(])({_LIMIT}),({_LIMIT})([\])])", re.DOTALL)
_DOUBLED: Final = re.compile(r'\\(.)|""', re.DOTALL)


def parse_array(text: str, load: Callable[[str], Any]) -> list[Any]:
    """Return the elements in an array's *text*, as nested lists.

    Lower bounds other than 1 (``[0:2]={...}``) are dropped, as psycopg2 does.
    """
    top: list[Any] = []
    nesting = [top]
    start = text.index("{")
    for match in _STEP.finditer(text, start):
        kind = match.lastgroup
        if kind == "plain":
            plain = match["plain"]
            nesting[-1].append(None if plain == "NULL" else load(plain))
        elif kind == "quoted":
            nesting[-1].append(load(_ESCAPE.sub(r"\1", match["quoted"])))
        elif match[0] == "{":
            inner: list[Any] = []
            nesting[-1].append(inner)
            nesting.append(inner)
        elif match[0] == "}":
            nesting.pop()
    found: list[Any] = top[0]
    return found


def parse_range(text: str, cls: type[Range], load: Callable[[str], Any]) -> Range:
    """Return the range in *text* as a *cls*."""
    if text == "empty":
        return cls(empty=True)
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError("not the text of a range")
    lower, upper = (_load_limit(match[group], load) for group in (2, 3))
    return cls(lower, upper, match[1] + match[4])


def _load_limit(text: str, load: Callable[[str], Any]) -> Any:
    if not text:
        return None
    if text[0] == '"':
        text = _DOUBLED.sub(lambda escape: escape[1] or '"', text[1:-1])
    return load(text)
