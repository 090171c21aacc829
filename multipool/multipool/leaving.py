"""Leaving a command when a signal asks for it, so that what it has set up is undone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def left_at(statuses: Mapping[int, int]) -> Iterator[None]:
    """Leave the block and the process when one of these signals comes, with its exit status."""
    if threading.current_thread() is not threading.main_thread():
        yield  # nobody else may set a handler
        return

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(statuses[number])

    before = {number: signal.signal(number, leave) for number in statuses}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
