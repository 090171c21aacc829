"""Who asked for a connection: the line of the application's code, not of Django's or ours."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

#: Top-level packages between the application and the pool.
_BETWEEN: Final = frozenset({"django", "multipool", "multipool_django"})

#: Below these is nothing of the application's that has asked: the server, other middleware.
_BOTTOM: Final = ("django.core.handlers.", "django.core.management.base")


# What a module is. Numbers, and a dict that learns, since every checkout goes through a dozen
# frames.
_ORM: Final = 0
_DJANGO: Final = 1
_APPLICATION: Final = 2
_LOWEST: Final = 3


class _Kinds(dict[str | None, int]):
    def __missing__(self, module: str | None) -> int:
        self[module] = kind = self._judge(module or "")
        return kind

    def _judge(self, module: str) -> int:
        if module.partition(".")[0] not in _BETWEEN:
            return _APPLICATION
        if module.startswith(_BOTTOM):
            return _LOWEST
        orm = module.startswith(("django.db.", "django.utils.", "multipool"))
        return _ORM if orm else _DJANGO


_kinds: Final = _Kinds()


def depth_of_asker() -> int:
    """Return which caller of the calling function asked: 0 is that function itself.

    It is the innermost that is the application's, as in a view, a task, a command or a
    template's tag; where Django asked for itself, as in its admin, that of Django's frames
    which is nearest to the ORM without being of it.
    """
    frame: FrameType | None = sys._getframe(1)
    depth = nearest = 0
    while frame is not None:
        kind = _kinds[frame.f_globals.get("__name__")]
        if kind:
            if kind == _APPLICATION:
                return depth
            if kind == _LOWEST:
                break
            nearest = nearest or depth
        frame = frame.f_back
        depth += 1
    return nearest
