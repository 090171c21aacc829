"""Programs that a test runs in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def play(program: str, *arguments: str) -> None:
    """Run a program beside this file; fail with what it says if it does."""
    done = subprocess.run(
        # What Python says of a fork beside threads is said of any.
        [
            sys.executable,
            "-W",
            "ignore:This process:DeprecationWarning",
            HERE / program,
            *arguments,
        ],
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
