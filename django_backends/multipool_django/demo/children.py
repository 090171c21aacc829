"""The processes that the demo starts, seen from the one that starts them; `child` is their side."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Final, Self, cast

from multipool_django.demo.signals import Stop

# Nothing that a child does between two messages takes a tenth of this.
PATIENCE: Final = 60.0  # seconds

# How long a child may take to end once it was told to.
FAREWELL: Final = 5.0  # seconds

_LAST_WORDS: Final = 15  # lines


class ChildFailed(Exception):
    """A process of the demo ended, or fell silent, before it had done its job."""


class Child:
    """One process: a module of this package, with a job."""

    def __init__(self, program: str, job: dict[str, object]) -> None:
        self._program = program
        # Appending, so that reading it does not move the place where the child writes.
        self._errors: IO[str] = tempfile.TemporaryFile("a+", errors="replace")  # noqa: SIM115 -- closed by `join`
        self._process = subprocess.Popen(  # noqa: S603 -- ourselves
            [sys.executable, "-P", "-m", f"{__package__}.{program}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Ctrl-C is for the parent, which ends its children in good order.
            start_new_session=True,
        )
        self._lifeline = cast(IO[str], self._process.stdin)
        self._output = cast(IO[str], self._process.stdout)
        self._messages: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, name=program, daemon=True)
        self._listener.start()
        self.order(**job)

    def _listen(self) -> None:
        """Take the child's messages as they come, so that waiting for one can have a limit."""
        for line in self._output:
            self._messages.put(line)
        self._messages.put(None)

    def order(self, **wanted: object) -> None:
        """Tell the process what to do."""
        # One that ended already is found out by `hear`.
        with suppress(BrokenPipeError):
            self._lifeline.write(json.dumps(wanted) + "\n")
            self._lifeline.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for the next message and return it.

        Raises `ChildFailed` if the process ends instead, or says nothing for `PATIENCE`.
        """
        try:
            line = self._messages.get(timeout=PATIENCE)
        except queue.Empty:
            raise ChildFailed(f"{self._program} said nothing for {PATIENCE:g} s") from None
        if line is None:
            raise ChildFailed(f"{self._program} ended with status {self._process.wait(FAREWELL)}")
        message: dict[str, Any] = json.loads(line)
        return message

    def dismiss(self) -> None:
        """Tell the process to end."""
        with suppress(BrokenPipeError):
            self._lifeline.close()

    def join(self) -> None:
        """Wait until the process, already dismissed, is gone; kill it if it does not go."""
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._output.close()
        self._errors.close()

    def last_words(self) -> str:
        """Return the last lines that the process has written to standard error."""
        self._errors.seek(0)
        return "".join(self._errors.readlines()[-_LAST_WORDS:]).strip()


class Children:
    """The processes of one part of the demo; when the context is left, none of them is."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._started: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    def start(self, program: str, **job: object) -> Child:
        """Start the module *program* of this package, with *job* to do."""
        with self._stop.held():
            started = Child(program, job)
            self._started.append(started)
        return started

    def end(self) -> None:
        """End them all, and return when they are gone."""
        with self._stop.held():
            for each in self._started:
                each.dismiss()
            while self._started:
                self._started.pop().join()

    def last_words(self) -> str:
        """Return the last of what each of them has written to standard error."""
        return "\n".join(words for each in self._started if (words := each.last_words()))
