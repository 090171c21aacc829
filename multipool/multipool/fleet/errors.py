"""What the fleet raises."""

from __future__ import annotations

from typing import Final

from multipool.errors import PoolError

#: The codes of a server where there is no schema or function of ours, or not for this role.
MISSING: Final = frozenset(["3F000", "42883", "42P01", "42501"])

#: Those of one where a lock is not to be had in a moment, or somebody was quicker.
BUSY: Final = frozenset(["55P03", "40001"])

#: What to do about it.
REMEDY: Final = (
    "the fleet is not installed here, or not for this role: run `multipool fleet install`"
)


class FleetError(PoolError):
    """The fleet cannot be read, or not be installed; the message says what would help."""

    __module__ = "multipool.fleet.errors"
