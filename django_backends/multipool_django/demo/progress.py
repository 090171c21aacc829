"""Telling a person what goes on: one line for each step, the same with and without a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

_WIDTH: Final = 44


class Step:
    """One line: a title, dots while it goes on, and what came of it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.outcome = ""

    def tick(self) -> None:
        """Show that it goes on."""
        self._out.write(".")
        self._out.flush()


class Progress:
    """Lines for a person, written to *out* as things happen."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show *title*, then the step's outcome, or by default how long it took."""
        begin = time.monotonic()
        self._out.write(f"  {title:<{_WIDTH}} ")
        self._out.flush()
        step = Step(self._out)
        try:
            yield step
        except BaseException:
            step.outcome = "not finished"
            raise
        else:
            step.outcome = step.outcome or f"{time.monotonic() - begin:.1f} s"
        finally:
            self._out.write(f" {step.outcome}\n")
            self._out.flush()
