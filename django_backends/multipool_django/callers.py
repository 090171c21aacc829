"""Who asked for a connection: the line of the application's code, not of Django's or ours."""

from __future__ import annotations

import sys
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
        name = frame.f_globals.get("__name__") or ""
        if name.partition(".")[0] not in _BETWEEN:
            return depth
        if name.startswith(_BOTTOM) or frame.f_back is None:
            return nearest
        if not nearest and not name.startswith(("django.db.", "django.utils.", "multipool")):
            nearest = depth
        frame = frame.f_back
        depth += 1
