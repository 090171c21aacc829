"""Cursor classes that users bring, with an ``execute`` of their own, and an adapter's behind them.

Such a class is to be given what was asked for, and not what becomes of it; and it may execute more
than that, as a SET before each statement, which the classes behind see then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

#: Names the user's class, where that is in front.
_USERS: Final = "_multipool_users"

#: What drivers call the statement that a method executes.
_STATEMENT: Final = ("query", "sql", "statement", "procname")


@dataclass(frozen=True)
class UsersInFront:
    """How a user's class comes to be in front of those of an adapter."""

    #: The class that all those of the adapter have in common.
    ours: type

    #: Returns the driver's own class that a user's was made of.
    drivers_own: Callable[[type], type]

    #: The methods that execute, and what is called before those of a user's, with the cursor and
    #: the statement: it may ask the driver itself for it, past the classes behind.
    looks: Mapping[str, Callable[[Any, Any], object]]

    #: A module of the driver's whose classes ask those behind, by ``super``.
    trusted: str | None = None

    def __call__(self, factory: Any, made: Callable[[type], type]) -> type | None:
        """Return the class *factory* in front of what *made* returns for the one behind it.

        None if all its methods that execute are the driver's own, or ours: then others can be in
        front of it.
        """
        users = vars(factory).get(_USERS)
        if users is not None:
            behind: type = factory.__bases__[1]
        elif issubclass(factory, self.ours):
            return None
        else:
            users, behind = factory, self.drivers_own(factory)
        own = self.drivers_own(users)
        others = [name for name in self.looks if getattr(users, name) is not getattr(own, name)]
        if not others:
            return None
        names: dict[str, Any] = {"__module__": users.__module__, "__slots__": (), _USERS: users}
        for name in others:
            method = getattr(users, name)
            if method.__module__ != self.trusted:
                names[name] = _looking_first(method, self.looks[name])
        return type(users.__name__, (users, made(behind)), names)


def _looking_first(
    method: Callable[..., Any], look: Callable[[Any, Any], object]
) -> Callable[..., Any]:
    @wraps(method)
    def look_and_go(self: Any, *args: Any, **options: Any) -> Any:
        named = (options[name] for name in _STATEMENT if name in options)
        look(self, args[0] if args else next(named, None))
        return method(self, *args, **options)

    return look_and_go
