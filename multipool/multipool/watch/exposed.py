"""Whether this process tells ``multipool top`` of its pools.

It does if the environment has ``MULTIPOOL_TOP=1``, or if it calls `expose`. Looked at only
when a connection is opened: so it begins after the forks of a web server, and costs nothing.
"""

from __future__ import annotations

import logging
import os
from typing import Final

log = logging.getLogger("multipool.watch")

VARIABLE: Final = "MULTIPOOL_TOP"

_ON: Final = ("1",)
_OFF: Final = ("", "0")


class _Switch:
    def __init__(self) -> None:
        value = os.environ.get(VARIABLE, "")
        self.on = value in _ON
        if not self.on and value not in _OFF:
            log.warning("%s=%r means nothing: 1 is on, 0 is off", VARIABLE, value)


_switch: Final = _Switch()


def expose() -> None:
    """Tell ``multipool top`` of this process's pools from now on, and of its children's.

    Those answer once they have opened a connection of their own. Whoever runs as the same user
    may ask, nobody else; what they get holds no literal, parameter or password. Raises OSError
    where there can be no socket.
    """
    from multipool.watch import exposing

    _switch.on = True
    exposing.begin()


def connected() -> None:
    """Begin, if that is wanted: a connection was opened."""
    if _switch.on:
        from multipool.watch import exposing

        try:
            exposing.begin()
        except (OSError, RuntimeError) as error:  # the latter as the interpreter exits
            _switch.on = False
            log.warning("this process is not shown by multipool top: %s", error)
