"""Running the demo as a user does, in a process of its own, and finding what it leaves behind."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

_MARK = "MULTIPOOL_TEST_MARK"


class Evening:
    """One run of ``multipool demo``, with a temporary directory and a mark of its own.

    Its children inherit the mark, and PostgreSQL's processes work in the directory, so
    whoever is left of it is found.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {**os.environ, "TMPDIR": str(home), _MARK: secrets.token_hex()}

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start it in a session of its own, as a terminal does."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "multipool.cli", "demo", *options],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Under nohup, where these tests may run, it would rightly heed none.
            preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
        )
        return self._process

    def wait_for(self, pattern: str) -> None:
        """Return as soon as the progress that the run shows ends in *pattern*."""
        assert self._process.stderr is not None
        seen = ""
        while not re.search(pattern, seen):
            character = self._process.stderr.read(1)
            assert character, f"{pattern!r} did not come, but {seen!r}"
            seen += character

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self.start(*options) as process:
            out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def left_behind(self) -> list[str]:
        """Return the processes and files that are left of it."""
        return [*self._processes(), *(path.name for path in self.home.iterdir())]

    def _processes(self) -> Iterator[str]:
        for process in psutil.process_iter():
            try:
                marked = process.environ().get(_MARK) == self.env[_MARK]
                if marked or process.cwd().startswith(str(self.home)):
                    yield f"{process.pid} {process.cmdline()}"
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


@pytest.fixture
def evening() -> Iterator[Evening]:
    """A run of the demo, not yet started."""
    pytest.importorskip("django")
    pytest.importorskip("waitress")
    with tempfile.TemporaryDirectory() as home:
        # Root's PostgreSQL runs as another user, who must get through.
        Path(home).chmod(0o755)
        yield Evening(Path(home))
