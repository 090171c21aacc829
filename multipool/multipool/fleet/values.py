"""Of what anybody may have written, what makes sense."""

from __future__ import annotations

from typing import Any, Final

#: No figure of ours is larger, and none that is can be reckoned with safely.
_LARGEST: Final = 1e18


def text(value: Any) -> str:
    """Return *value* if it is text, else none."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float:
    """Return *value* if it is a number that may be meant, else 0."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0.0
    return value if -_LARGEST < value < _LARGEST else 0.0  # no NaN either


def integer(value: Any) -> int:
    """Return *value* as a whole number, 0 if it is none."""
    return int(number(value))


def numbers(value: Any) -> dict[str, float]:
    """Return what is a number in the dict *value*."""
    if not isinstance(value, dict):
        return {}
    return {name: one for name, one in value.items() if number(one) == one}
