"""``OPTIONS["isolation_level"]``: a level is the same whichever driver has numbered it."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

NAME: Final = "isolation_level"


def own(value: object, levels: Any) -> object:
    """Return *value* as one of *levels*, an ENGINE's, if it is a level of another enumeration.

    psycopg's and psycopg2's have the same names and other numbers. Settings that import
    ``IsolationLevel`` as Django's documentation has it get that of the driver which Django's own
    backend would take, before any ENGINE is loaded; taken by its number, psycopg's SERIALIZABLE
    would be psycopg2's READ_UNCOMMITTED. A number that is nothing else is left to the ENGINE.
    """
    if isinstance(value, Enum):
        return levels.__members__.get(value.name, value)
    return value


def with_own(settings: dict[str, Any], levels: Any) -> dict[str, Any]:
    """Return *settings* of an alias with its level as one of *levels*, for Django to read."""
    options = settings["OPTIONS"]
    given = options.get(NAME)
    level = own(given, levels)
    return settings if level is given else {**settings, "OPTIONS": {**options, NAME: level}}
