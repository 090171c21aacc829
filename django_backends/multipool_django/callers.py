"""Who asked for a connection: the line of the application's code, not of Django's or ours."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

#: Top-level packages between the application and the pool.
_BETWEEN: Final = frozenset({"django", "multipool", "multipool_django"})

#: Below these is nothing of the application's that has asked: the server, other middleware.
_BOTTOM: Final = ("django.core.handlers.", "django.core.management.base")


# What a module is. Numbers, since every checkout goes through a dozen frames.
_ORM: Final = 0
_DJANGO: Final = 1
_APPLICATION: Final = 2
_LOWEST: Final = 3


# By the name of its file, which a frame tells sooner than the module's. Of no more files than a
# program has: what was made without one is not in here.
_kinds: Final[dict[str, int]] = {}


def _kind_of(frame: FrameType) -> int:
    module, file = frame.f_globals.get("__name__") or "", frame.f_code.co_filename
    kind = _judge(module)
    if not file.startswith("<"):
        _kinds[file] = kind
    return kind


def _judge(module: str) -> int:
    if module.partition(".")[0] not in _BETWEEN:
        return _APPLICATION
    if module.startswith(_BOTTOM):
        return _LOWEST
    orm = module.startswith(("django.db.", "django.utils.", "multipool"))
    return _ORM if orm else _DJANGO


def depth_of_asker(known: int = 0) -> int:
    """Return which caller of the calling function asked: 0 is that function itself.

    Of *known* of these it is known already that they are ours, and did not.

    It is the innermost that is the application's, as in a view, a task, a command or a
    template's tag; where Django asked for itself, as in its admin, that of Django's frames
    which is nearest to the ORM without being of it.
    """
    frame: FrameType | None = sys._getframe(1 + known)
    depth, nearest = known, 0
    kinds = _kinds
    while frame is not None:
        try:
            kind = kinds[frame.f_code.co_filename]
        except KeyError:
            kind = _kind_of(frame)
        if kind:
            if kind == _APPLICATION:
                return depth
            if kind == _LOWEST:
                break
            nearest = nearest or depth
        frame = frame.f_back
        depth += 1
    return nearest
