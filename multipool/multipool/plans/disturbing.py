"""Statements that concern what is prepared: they drop it, or change what it is about."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from multipool.session import may_be_remembered, without_comment

#: What `disturbance` answers.
NOTHING: Final = 0
#: Tables, types or functions are made anew: results may be of other types than planned. Or texts
#: are read otherwise.
CHANGES: Final = 1
#: Prepared statements are dropped behind our back.
DROPS: Final = 2

# In doubt it concerns them, which costs preparing once more.
_DROPS: Final = re.compile(r"\b(?:discard|deallocate)\b", re.IGNORECASE)
_CHANGES: Final = re.compile(
    # The last decides how a text is read, which happens when it is prepared.
    r"\b(?:alter|create|drop|standard_conforming_strings)\b"
    r"|\binto\s+(?:local\s+|global\s+)?temp(?:orary)?\b",
    re.IGNORECASE,
)


def disturbance(sql: str) -> int:
    """Return what running *sql* does to prepared statements: `NOTHING`, `CHANGES` or `DROPS`."""
    return _remembered(sql) if may_be_remembered(sql) else _look(sql)


def _look(sql: str) -> int:
    sql = without_comment(sql)
    if _DROPS.search(sql):
        return DROPS
    return CHANGES if _CHANGES.search(sql) else NOTHING


_remembered = lru_cache(maxsize=2048)(_look)
