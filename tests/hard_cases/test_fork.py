"""Case 5: fork. Played in processes of their own, so that the tests' is not forked."""

from __future__ import annotations

import os

import pytest
from hard_cases.play import play

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.mark.parametrize(
    ("scene", "fact"),
    [
        ("disjoint", "the child has connections of its own and the parent's go on"),
        ("dropped", "a child says no goodbye in its parent's name"),
        ("leased", "a connection leased at the fork raises a clear error in the child"),
        ("block", "a child that leaves its parent's block returns nothing to anybody"),
        ("held", "a child waits for no thread of its parent's in a hold that they share"),
        ("turn", "a child's threads wait for the rest of the turn within which it was forked"),
        ("upkeep", "upkeep works in the child"),
        ("busy", "a fork in the midst of other threads' work leaves the child a whole pool"),
        ("grandchild", "a child's child has connections of its own"),
    ],
    ids=lambda text: text.replace(" ", "_"),
)
def test_when_a_process_forks(scene, fact, driver, upkeep, dsn):
    play("forking.py", scene, driver.name, upkeep, dsn)


def test_when_a_process_forks_that_has_tracers_proxies_around_its_connections(driver, upkeep, dsn):
    if driver.name == "pg8000":
        pytest.skip("no known tracer replaces anything of pg8000's")
    play("forking.py", "traced", driver.name, upkeep, dsn)


def test_uwsgi_which_forks_behind_pythons_back_calls_us_by_its_own_hook(driver, upkeep, dsn):
    play("uwsgi_forking.py", driver.name, upkeep, dsn)
