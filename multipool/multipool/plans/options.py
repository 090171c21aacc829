"""The pool's option ``prepare``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

#: What is allowed, as said in an error.
ALLOWED: Final = (
    "None, or a dict with any of 'threshold' (an integer of at least 1), 'max' (an integer of"
    " at least 1) and 'limits' (True or False)"
)


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """Which statements are prepared by themselves, and how many."""

    #: After how many executions on a connection a statement is prepared there by itself; None:
    #: only what `Pool.prepare` names.
    threshold: int | None = None
    #: Prepared statements on a connection at most; the least recently used go first.
    max: int = 100
    #: Whether trailing LIMIT and OFFSET numbers are parameters of what is prepared by itself.
    limits: bool = False

    @classmethod
    def read(cls, given: Mapping[str, Any] | None) -> Self:
        """Return the options in *given*, which `check` has accepted."""
        return cls(**(given or {}))


def check(given: Any) -> str | None:
    """Return None if *given* will do as ``prepare``, else what would."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return ALLOWED
    return (
        None if all(name in _CHECKS and _CHECKS[name](given[name]) for name in given) else ALLOWED
    )


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "threshold": _count,
    "max": _count,
    "limits": _flag,
}
