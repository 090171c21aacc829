"""What a subclass's own ``get_new_connection`` makes of the parameters to connect with.

A common way to a token that is good for minutes, such as RDS asks for::

    def get_new_connection(self, conn_params):
        conn_params["password"] = token()
        return super().get_new_connection(conn_params)

Django calls it for each connection that it opens. A pool opens them when it likes, so it asks.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from multipool_django.engines import PREFIX


class _Reached(BaseException):
    """Ends the subclass's way where ours begins. No `Exception`, which that may handle."""


def has_its_own(wrapper: type[Any]) -> bool:
    """Return whether the class *wrapper* has another ``get_new_connection`` than our ENGINEs."""
    module = getattr(wrapper.get_new_connection, "__module__", None) or ""
    return not module.startswith(PREFIX)


def final_params(wrapper: type[Any], settings: dict[str, Any], alias: str) -> dict[str, Any]:
    """Return what a *wrapper* with these settings hands to ours in the end, as of now.

    It is asked of a wrapper made for that, whose ``get_new_connection`` goes as far as to ours
    and no further. Raises what it raises, and `ImproperlyConfigured` if it connects by itself.
    """
    asked: Any = wrapper(settings, alias)
    told: list[dict[str, Any]] = []

    def note(params: dict[str, Any]) -> None:
        told.append(params)
        raise _Reached

    asked._find_current_pool = note
    asked._params_to_connect = asked.get_connection_params  # if it asks for its pool meanwhile
    made: Any = None
    with suppress(_Reached):
        made = asked.get_new_connection(asked.get_connection_params())
    if not told:
        made.close()
        raise ImproperlyConfigured(
            f"DATABASES[{alias!r}]: {wrapper.__module__}.{wrapper.__qualname__} has a"
            " get_new_connection that opens connections past the pool; it must call that of its"
            ' super(), or OPTIONS["pool"] be False'
        )
    return told[0]
