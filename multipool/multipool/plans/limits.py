"""``LIMIT 20 OFFSET 40`` at the end of a statement as parameters, so that all pages share a plan.

Django writes the numbers into the text, so that each page is a statement of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_TRAILING: Final = re.compile(
    r"(?P<head>.*\S)\s+LIMIT\s+(?P<limit>\d{1,9})(?:\s+OFFSET\s+(?P<offset>\d{1,9}))?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_LIMIT, _OFFSET = "multipool limit", "multipool offset"
# An OFFSET before the LIMIT, as PostgreSQL takes it too.
_HAS_OFFSET: Final = re.compile(r"\bOFFSET\b[^)]*\Z", re.IGNORECASE)


def split(sql: str) -> tuple[str, tuple[int, int]] | None:
    """Return *sql* without its trailing LIMIT and OFFSET, and their numbers; None without."""
    found = _TRAILING.match(sql)
    if found is None:
        return None
    head = found["head"]
    if "--" in head.rpartition("\n")[2] or _HAS_OFFSET.search(head):
        return None
    return head, (int(found["limit"]), int(found["offset"] or 0))


def with_parameters(head: str, values: tuple[int, ...], params: Any) -> tuple[str, Any]:
    """Return the statement with placeholders for LIMIT and OFFSET, and *params* with *values*."""
    if isinstance(params, Mapping):
        text = f"{head} LIMIT %({_LIMIT})s OFFSET %({_OFFSET})s"
        return text, {**params, **dict(zip((_LIMIT, _OFFSET), values, strict=True))}
    if params is None:
        head, params = head.replace("%", "%%"), ()
    return f"{head} LIMIT %s OFFSET %s", (*params, *values)
