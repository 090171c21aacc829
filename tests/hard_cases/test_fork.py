"""Case 5: fork. Played in processes of their own, so that the tests' is not forked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def play(*command: str) -> None:
    """Run a program beside this file; fail with what it says if it does."""
    done = subprocess.run(
        # What Python says of a fork beside threads is said of any.
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", *command],
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("scene", "fact"),
    [
        ("disjoint", "the child has connections of its own and the parent's go on"),
        ("dropped", "a child says no goodbye in its parent's name"),
        ("leased", "a connection leased at the fork raises a clear error in the child"),
        ("block", "a child that leaves its parent's block returns nothing to anybody"),
        ("upkeep", "upkeep works in the child"),
        ("busy", "a fork in the midst of other threads' work leaves the child a whole pool"),
        ("grandchild", "a child's child has connections of its own"),
    ],
    ids=lambda text: text.replace(" ", "_"),
)
def test_when_a_process_forks(scene, fact, driver, upkeep, dsn):
    play(str(HERE / "forking.py"), scene, driver.name, upkeep, dsn)


def test_uwsgi_which_forks_behind_pythons_back_calls_us_by_its_own_hook(driver, upkeep, dsn):
    play(str(HERE / "uwsgi_forking.py"), driver.name, upkeep, dsn)
