"""Ending in good order when asked to: Ctrl-C, ``kill``, a terminal that is closed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked us to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        #: What a shell reports for a process that a signal ended.
        self.status = 128 + signum


@contextmanager
def stoppable() -> Iterator[None]:
    """Within this context the first signal raises `Stopped`, and those after it do nothing."""
    before = {each: signal.signal(each, _stop) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def ignore() -> None:
    """From here on no signal disturbs: what was started is being ended."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    ignore()
    raise Stopped(signum)
