"""The pool's option ``budget``."""

from __future__ import annotations

from typing import Any, Final

#: Measure it by what the server has.
AUTO: Final = "auto"

#: One to ask by and one to work with.
SMALLEST: Final = 2

ALLOWED: Final = f"an integer of at least {SMALLEST}, {AUTO!r}, or None"


def check(given: Any) -> str | None:
    """Return None if *given* will do as ``budget``, else what would."""
    if given is None or given == AUTO:
        return None
    whole = isinstance(given, int) and not isinstance(given, bool)
    return None if whole and given >= SMALLEST else ALLOWED
