"""Who asked for a connection: the line of the application's code, not of Django's or ours."""

from __future__ import annotations

import sys
from enum import Enum, auto
from functools import cache
from typing import Final

#: Top-level packages between the application and the pool.
_BETWEEN: Final = frozenset({"django", "multipool", "multipool_django"})

#: Below these is nothing of the application's that has asked: the server, other middleware.
_BOTTOM: Final = ("django.core.handlers.", "django.core.management.base")


def depth_of_asker() -> int:
    """Return which caller of the calling function asked: 0 is that function itself.

    It is the innermost that is the application's, as in a view, a task, a command or a
    template's tag; where Django asked for itself, as in its admin, that of Django's frames
    which is nearest to the ORM without being of it.
    """
    frame = sys._getframe(1)
    depth = nearest = 0
    while True:
        kind = _kind(frame.f_globals.get("__name__") or "")
        if kind is _Kind.APPLICATION:
            return depth
        if kind is _Kind.BOTTOM or frame.f_back is None:
            return nearest
        if not nearest and kind is _Kind.DJANGO:
            nearest = depth
        frame = frame.f_back
        depth += 1


class _Kind(Enum):
    """What a module is."""

    APPLICATION = auto()
    BOTTOM = auto()
    DJANGO = auto()
    ORM = auto()


# Remembered, since every checkout goes through a dozen frames.
@cache
def _kind(module: str) -> _Kind:
    if module.partition(".")[0] not in _BETWEEN:
        return _Kind.APPLICATION
    if module.startswith(_BOTTOM):
        return _Kind.BOTTOM
    orm = module.startswith(("django.db.", "django.utils.", "multipool"))
    return _Kind.ORM if orm else _Kind.DJANGO
