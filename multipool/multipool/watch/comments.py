"""Comments by which the server's own views and logs show where a statement came from.

``/*file='shop%2Fviews.py',line='88'*/`` in the form of sqlcommenter
(https://google.github.io/sqlcommenter/spec/): sorted keys, both keys and values URL-encoded, at
the statement's end. A call site's comment never changes, so its statement stays the same text,
which drivers and poolers may prepare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from multipool.watch.callsite import short_name
from multipool.watch.stacks import Place, line_number

#: How many call sites are remembered. A program has fewer lines that execute something.
_MOST: Final = 4096

#: What the comment says of the call site.
OURS: Final = frozenset(["file", "line"])

_EXPECTED: Final = (
    "False, True, or a dict of further tags: names and values are strings, and no name is"
    f" {' or '.join(map(repr, sorted(OURS)))}"
)


def check(value: Any) -> str | None:
    """Return what the option ``comments`` may be, if *value* is not of it; else None."""
    if value is True or value is False:
        return None
    if isinstance(value, Mapping) and all(
        isinstance(name, str) and name and name not in OURS and isinstance(tag, str)
        for name, tag in value.items()
    ):
        return None
    return _EXPECTED


class Comments:
    """Appends to statements where they come from, and a pool's own *tags*."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        self._tags = dict(tags)
        self._known: dict[tuple[int, int], tuple[Place, str]] = {}

    def amend(self, conn: Any, query: Any, place: Place, with_params: bool) -> Any:
        """Return *query* with the comment of *place*, or as it is where that would be unsafe.

        *with_params*: it is executed with parameters, so that a percent sign is to be doubled.

        As sqlcommenter wants it, a text that has a comment already is left alone; be it one that
        only looks so, or that never ends. What is no plain string is left alone too, and what the
        pool prepares, or may come to prepare: that goes by its text.
        """
        if type(query) is not str or "--" in query or "/*" in query:
            return query
        shelf = conn._multipool_shelf
        if shelf is not None and shelf.find(conn, query) is not None:
            return query
        text = query.rstrip()
        # After a semicolon it would be a statement of its own.
        ending = ";" if text.endswith(";") else ""
        comment = self._of(place)
        if with_params:
            comment = comment.replace("%", "%%")
        return f"{text[: -1 if ending else None]} {comment}{ending}"

    def _of(self, place: Place) -> str:
        code, lasti = place
        key = id(code), lasti
        known = self._known.get(key)
        if known is not None:
            return known[1]
        tags = {
            "file": short_name(code.co_filename),
            "line": str(line_number(code, lasti)),
            **self._tags,
        }
        pairs = (f"{_encoded(name)}='{_encoded(tags[name])}'" for name in sorted(tags))
        comment = f"/*{','.join(pairs)}*/"
        if len(self._known) < _MOST:
            # The code with it, so that its id stays its own.
            self._known[key] = place, comment
        return comment


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="replace")
