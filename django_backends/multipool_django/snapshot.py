"""What the settings of an alias come to, worked out anew only when they have changed."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from multipool import Pool
from multipool_django.known_settings import known

#: Returns what the parameters of a wrapper of Django's are made from, beside ``USE_TZ``. In C, as
#: the comparison with a `Snapshot`'s is: each checkout pays for it.
origins: Final[Callable[[Any], object]] = attrgetter("settings_dict", "timezone_name")


class Snapshot:
    """The settings at one moment, the connection parameters they come to, and the pool.

    The test runner changes an alias's settings in place and ``override_settings`` the time
    zone, so each checkout asks whether this still holds: to compare dicts of the same objects
    takes a fraction of the time that it takes Django to make the parameters.
    """

    __slots__ = (
        "hold",
        "is_plain",
        "isolation_level",
        "origins",
        "params",
        "pool",
        "use_tz",
        "was_gone",
    )

    def __init__(self, wrapper: Any, params: dict[str, Any], hold: str) -> None:
        settings = wrapper.settings_dict
        # As deep as a pool's options lie.
        options = settings["OPTIONS"].items()
        own = {name: {**o} if isinstance(o, dict) else o for name, o in options}
        self.origins = {**settings, "OPTIONS": own}, wrapper.timezone_name
        self.use_tz = known.USE_TZ
        self.params = params
        self.hold = hold
        #: What Django makes of the option of this name, and the alias's pool; None until asked.
        self.isolation_level: Any = None
        self.pool: Pool | None = None
        #: Whether nobody but Django and we have a say in how one connects and makes cursors; and
        #: whether Django's whole way to a connection was gone then, so that `shortcut` will do.
        self.is_plain = False
        self.was_gone = False

    def holds(self, wrapper: Any) -> bool:
        """Return whether all is still as it was."""
        return bool(self.origins == origins(wrapper) and self.use_tz == known.USE_TZ)
