"""Statements that concern what is prepared: they drop it, or change what it is about."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from multipool.session import first_word, may_be_remembered, without_comment

#: What `disturbance` answers.
NOTHING: Final = 0
#: Tables, types or functions are made anew: results may be of other types than planned. Or texts
#: are read otherwise.
CHANGES: Final = 1
#: Prepared statements are dropped behind our back.
DROPS: Final = 2

# By which a text is read otherwise, which happens when it is prepared; and by which any statement
# may make a table that hides another.
_ANYWHERE: Final = (
    r"\bstandard_conforming_strings\b|\binto\s+(?:local\s+|global\s+)?temp(?:orary)?\b"
)

# In doubt it concerns them, which costs preparing once more.
_DROPS: Final = re.compile(r"\b(?:discard|deallocate)\b", re.IGNORECASE)
_CHANGES: Final = re.compile(rf"\b(?:alter|create|drop)\b|{_ANYWHERE}", re.IGNORECASE)

# These cannot do so themselves: a single word is somebody's value or name, as in ``action =
# 'create'``, and would have everything prepared anew with each execution. Several are a command,
# perhaps, that a function is given.
_DATA: Final = frozenset(["select", "insert", "update", "delete", "merge", "values", "with"])
_DATA_DROPS: Final = re.compile(r"\b(?:discard|deallocate)\s+\w", re.IGNORECASE)
_DATA_CHANGES: Final = re.compile(rf"\b(?:alter|create|drop)\s+\w|{_ANYWHERE}", re.IGNORECASE)


def disturbance(sql: str) -> int:
    """Return what running *sql* does to prepared statements: `NOTHING`, `CHANGES` or `DROPS`."""
    return _remembered(sql) if may_be_remembered(sql) else _look(sql)


def _look(sql: str) -> int:
    sql = without_comment(sql)
    drops, changes = _DROPS, _CHANGES
    if first_word(sql) in _DATA and ";" not in sql.rstrip("; \t\r\n"):
        drops, changes = _DATA_DROPS, _DATA_CHANGES
    if drops.search(sql):
        return DROPS
    return CHANGES if changes.search(sql) else NOTHING


_remembered = lru_cache(maxsize=2048)(_look)
