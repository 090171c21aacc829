"""What the settings of an alias come to, worked out anew only when they have changed."""

from __future__ import annotations

from typing import Any

from multipool import Pool
from multipool_django.known_settings import known


class Snapshot:
    """The settings at one moment, the connection parameters they come to, and the pool.

    The test runner changes an alias's settings in place and ``override_settings`` the time
    zone, so each checkout asks whether this still holds: to compare dicts of the same objects
    takes a fraction of the time that it takes Django to make the parameters.
    """

    __slots__ = (
        "_settings",
        "_time_zone",
        "_use_tz",
        "hold",
        "is_plain",
        "isolation_level",
        "params",
        "pool",
        "was_gone",
    )

    def __init__(
        self,
        settings_dict: dict[str, Any],
        time_zone: str | None,
        params: dict[str, Any],
        hold: str,
    ) -> None:
        # As deep as a pool's options lie.
        options = settings_dict["OPTIONS"].items()
        self._settings = {
            **settings_dict,
            "OPTIONS": {name: {**o} if isinstance(o, dict) else o for name, o in options},
        }
        self._time_zone = time_zone
        self._use_tz = known.USE_TZ
        self.params = params
        self.hold = hold
        #: What Django makes of the option of this name, and the alias's pool; None until asked.
        self.isolation_level: Any = None
        self.pool: Pool | None = None
        #: Whether nobody but Django and we have a say in how one connects and makes cursors; and
        #: whether Django's whole way to a connection was gone then, so that `shortcut` will do.
        self.is_plain = False
        self.was_gone = False

    def holds(self, settings_dict: dict[str, Any], time_zone: str | None) -> bool:
        """Return whether all is still as it was."""
        return (
            self._settings == settings_dict
            and self._time_zone == time_zone
            and self._use_tz == known.USE_TZ
        )
