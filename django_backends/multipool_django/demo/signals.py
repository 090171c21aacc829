"""Ending in good order when asked to: Ctrl-C, ``kill``, a terminal that is closed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked us to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        #: What a shell reports for a process that a signal ended.
        self.status = 128 + signum


class Stop:
    """Within this context the first signal raises `Stopped`; those after it do nothing.

    But SIGHUP, where it was ignored before, as under ``nohup``, goes on being so.
    """

    def __init__(self) -> None:
        self._came: int | None = None
        self._held = False
        self._waiting: int | None = None

    def __enter__(self) -> Self:
        nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        heeded = [each for each in SIGNALS if not (nohup and each == signal.SIGHUP)]
        self._before = {each: signal.signal(each, self._receive) for each in heeded}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Start or end something that must not be left half done: a signal waits for the end."""
        with self._holding(True):
            yield

    @contextmanager
    def released(self) -> Iterator[None]:
        """Within `held`, do what may be left: a signal need not wait."""
        with self._holding(False):
            yield

    @contextmanager
    def _holding(self, held: bool) -> Iterator[None]:
        before = self._held
        self._hold(held)
        try:
            yield
        finally:
            self._hold(before)

    def _hold(self, held: bool) -> None:
        self._held = held
        if not held and self._waiting is not None:
            signum, self._waiting = self._waiting, None
            raise Stopped(signum)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self._came is None:
            self._came = self._waiting = signum
            self._hold(self._held)
