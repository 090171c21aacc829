"""Range types, shaped as those of ``psycopg2.extras``."""

from __future__ import annotations

from typing import Any, Final

_BOUNDS: Final = ("[)", "(]", "()", "[]")


class Range:
    """Everything from *lower* to *upper*; None is without limit.

    *bounds* says by ``[`` or ``]`` that a limit belongs to the range, by ``(`` or ``)`` that
    it does not. Raises ValueError for other bounds.
    """

    __slots__ = ("_bounds", "_lower", "_upper")

    def __init__(
        self, lower: Any = None, upper: Any = None, bounds: str = "[)", empty: bool = False
    ) -> None:
        self._lower: Any
        self._upper: Any
        self._bounds: str | None
        if bounds not in _BOUNDS:
            raise ValueError(f"bounds must be one of {', '.join(_BOUNDS)}, not {bounds!r}")
        if empty:
            self._lower = self._upper = self._bounds = None
        else:
            self._lower, self._upper, self._bounds = lower, upper, bounds

    @property
    def lower(self) -> Any:
        """The lower limit, or None."""
        return self._lower

    @property
    def upper(self) -> Any:
        """The upper limit, or None."""
        return self._upper

    @property
    def isempty(self) -> bool:
        """Whether nothing lies in the range."""
        return self._bounds is None

    @property
    def lower_inf(self) -> bool:
        """Whether there is no lower limit."""
        return self._bounds is not None and self._lower is None

    @property
    def upper_inf(self) -> bool:
        """Whether there is no upper limit."""
        return self._bounds is not None and self._upper is None

    @property
    def lower_inc(self) -> bool:
        """Whether the lower limit belongs to the range."""
        return self._bounds is not None and self._lower is not None and self._bounds[0] == "["

    @property
    def upper_inc(self) -> bool:
        """Whether the upper limit belongs to the range."""
        return self._bounds is not None and self._upper is not None and self._bounds[1] == "]"

    def __contains__(self, value: Any) -> bool:
        if self._bounds is None:
            return False
        if self._lower is not None and (value < self._lower or self._is_open(0, value)):
            return False
        return self._upper is None or not (value > self._upper or self._is_open(1, value))

    def _is_open(self, end: int, value: Any) -> bool:
        limit = (self._lower, self._upper)[end]
        return bool(value == limit and (self._bounds or "")[end] in "()")

    def __bool__(self) -> bool:
        return self._bounds is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Range):
            return NotImplemented
        return self._key() == other._key()

    def __lt__(self, other: object) -> bool:
        return _less(self, other)

    def __gt__(self, other: object) -> bool:
        return _less(other, self)

    def __le__(self, other: object) -> bool:
        return self == other or self < other

    def __ge__(self, other: object) -> bool:
        return self == other or self > other

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, Any, str | None]:
        return self._lower, self._upper, self._bounds

    def __str__(self) -> str:
        if self._bounds is None:
            return "empty"
        return f"{self._bounds[0]}{self._lower}, {self._upper}{self._bounds[1]}"

    def __repr__(self) -> str:
        if self._bounds is None:
            return f"{type(self).__name__}(empty=True)"
        return f"{type(self).__name__}({self._lower!r}, {self._upper!r}, {self._bounds!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Range.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class NumericRange(Range):
    """A range of int or Decimal: ``int4range``, ``int8range``, ``numrange``."""

    __slots__ = ()


class DateRange(Range):
    """A range of dates: ``daterange``."""

    __slots__ = ()


class DateTimeRange(Range):
    """A range of datetimes without a time zone: ``tsrange``."""

    __slots__ = ()


class DateTimeTZRange(Range):
    """A range of datetimes with a time zone: ``tstzrange``."""

    __slots__ = ()


def _less(one: object, other: object) -> bool:
    """Order as psycopg2 does: by the lower limit, the upper, the bounds; None comes first."""
    if not isinstance(one, Range) or not isinstance(other, Range):
        raise TypeError(f"cannot compare {type(one).__name__} with {type(other).__name__}")
    for mine, theirs in zip(one._key(), other._key(), strict=True):
        if mine == theirs:
            continue
        if mine is None or theirs is None:
            return mine is None
        return bool(mine < theirs)
    return False
