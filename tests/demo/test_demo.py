"""The demo as a user runs it: what it prints, what it counts, and that it leaves nothing."""

from __future__ import annotations

import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import until

from multipool.driver import drivers
from multipool_django.demo.scale import MOST_CLIENTS, POOL

INSTALLED = [name for name in drivers() if find_spec(name)]
SHORT = ("--seconds", "0.4", "--clients", "12")


def test_every_installed_driver_is_measured_in_both_ways(evening):
    """Status 0; the server saw a connection for each request, or at most ``max_size`` in all."""
    done = evening.run(*SHORT, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)

    assert set(report["versions"]) == {"multipool", "PostgreSQL", "Django", "Python"}
    assert report["settings"] == {"seconds": 0.4, "clients": 12, "max_size": POOL["max_size"]}
    assert report["failures"] == {}
    for workload in ("shop", "plain"):
        assert set(report[workload]) == set(INSTALLED)
        for figures in report[workload].values():
            pooled, unpooled = figures["pooled"], figures["unpooled"]
            assert 1 <= pooled["connections"] <= POOL["max_size"]
            assert unpooled["connections"] >= unpooled["done"] > 0
            assert figures["ratio"] == pooled["per_second"] / unpooled["per_second"]
            for way in (pooled, unpooled):
                # A round ends with the last answer, so it lasts longer than was asked for.
                assert way["per_second"] <= way["done"] / 0.4
                assert 0 < way["median"] <= way["longest"]
    far = report["far"]
    assert {f"multipool, {name}" for name in INSTALLED} <= set(far)
    assert all(figures["done"] > 0 for figures in far.values())
    assert evening.left_behind() == []


def test_the_table_names_drivers_and_versions_in_plain_text(evening):
    """Without a terminal nothing but printable characters, in lines that fit a wide window.

    With as many clients as it offers: the server has a connection for each, and the site.
    """
    name = INSTALLED[0]
    done = evening.run("--seconds", "0.2", "--clients", str(MOST_CLIENTS), "--driver", name)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    for word in ("multipool", "PostgreSQL", "Django", "Python"):
        assert word in first
    assert sum(line.startswith(f"  {name} ") for line in rest) == 2
    assert f"{name}: the shop over HTTP" in done.stderr
    for line in (done.stdout + done.stderr).splitlines():
        assert line.isprintable()
        assert len(line) <= 110


@pytest.mark.parametrize(
    ("moment", "signum", "status"),
    [
        ("starting PostgreSQL", signal.SIGINT, 130),
        ("filling the shelves", signal.SIGTERM, 143),
        (r"the shop over HTTP +\.", signal.SIGINT, 130),
        (r"ms away +\.", signal.SIGINT, 130),
        ("plain Python", signal.SIGHUP, 129),
    ],
)
def test_a_signal_ends_it_and_all_that_it_started(evening, moment, signum, status):
    """The shell's status for the signal, no traceback, no process, no file."""
    with evening.start(*SHORT, "--driver", INSTALLED[0]) as process:
        evening.wait_for(moment)
        os.killpg(process.pid, signum)
        out, err = process.communicate(timeout=20)
    assert process.returncode == status
    assert evening.left_behind() == []
    assert out == ""
    assert signum.name in err
    assert "Traceback" not in err


def test_nothing_outlives_it_even_if_it_is_killed(evening):
    """SIGKILL leaves no time for anything, so each child must notice by itself."""
    with evening.start(*SHORT, "--driver", INSTALLED[0]) as process:
        evening.wait_for(r"the shop over HTTP +\.")
        process.kill()
        process.communicate(timeout=20)
    until(lambda: evening.left_behind() == [], timeout=20)


def test_a_driver_that_fails_is_shown_and_the_status_is_1(evening, tmp_path: Path):
    """What went wrong is told in the driver's own words, and the others are measured."""
    broken, *others = INSTALLED
    (tmp_path / f"{broken}.py").write_text("raise RuntimeError('the cable is cut')\n")
    evening.env["PYTHONPATH"] = str(tmp_path)
    done = evening.run(*SHORT, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert "the cable is cut" in report["failures"][broken]
    assert set(report["shop"]) == set(others)
    assert evening.left_behind() == []
