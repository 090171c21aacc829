"""The pool's option ``fleet``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from multipool.seconds import is_seconds

#: The shortest and the longest time between two beats, in seconds; the server allows no other.
SHORTEST: Final = 1.0
LONGEST: Final = 600.0

#: What is allowed, as said in an error.
ALLOWED: Final = (
    "True, False, or a dict with any of 'app' (a string that is not empty) and 'every' (seconds"
    f" from {SHORTEST:g} to {LONGEST:g})"
)


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """As what, and how often, a process shows itself."""

    #: The application's name; None: the ``application_name`` of the connection, else the
    #: program's.
    app: str | None = None
    #: Seconds between two beats while all is well and nobody reads.
    every: float = 10.0

    @classmethod
    def read(cls, given: Mapping[str, Any] | bool) -> Self:
        """Return the options in *given*, which `check` has accepted."""
        return cls() if isinstance(given, bool) else cls(**given)


def check(given: Any) -> str | None:
    """Return None if *given* will do as ``fleet``, else what would."""
    if isinstance(given, bool):
        return None
    if not isinstance(given, Mapping) or given.keys() - {"app", "every"}:
        return ALLOWED
    app, every = given.get("app", "app"), given.get("every", SHORTEST)
    named = isinstance(app, str) and bool(app.strip())
    timed = is_seconds(every) and SHORTEST <= every <= LONGEST
    return None if named and timed else ALLOWED
