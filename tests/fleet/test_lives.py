"""Processes that are killed, fork, end, or lose the network."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet_store import APP
from support import until

from multipool.testing.proxy import Proxy

WORKER = Path(__file__).with_name("worker.py")


@contextmanager
def worker(params: dict[str, Any], driver: Any, how: str = "wait") -> Iterator[Any]:
    command = [sys.executable, WORKER, json.dumps(params), driver.name, how]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_that_is_killed_is_stale_after_3_beats_gone_after_10_and_its_totals_stay(
    driver, store, look
):
    with worker({**store.params, "user": APP}, driver) as process:
        until(lambda: look().pools[0].counters["checkouts"] == 5, timeout=10)
        assert look().processes[0].state == "alive"
        process.kill()
        ages: dict[str, float] = {}
        while look().processes:
            [dead] = look().processes
            ages[dead.state] = dead.age
            if dead.state == "gone":
                store.psql("select multipool.sweep()")
            time.sleep(0.05)
    assert 2.5 < ages["alive"] <= 3 < ages["stale"] <= 10 < ages["gone"]
    [app] = look().applications
    assert (app.processes, app.counters["checkouts"]) == (0, 5)


def test_one_that_ends_says_goodbye(driver, store, look):
    with worker({**store.params, "user": APP}, driver) as process:
        [row] = store.processes()
        assert row["pid"] == process.pid
        _, errors = process.communicate("\n", timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert store.processes() == []
    [app] = look().applications
    assert app.counters["checkouts"] == 5


def test_a_forked_child_has_a_row_and_totals_of_its_own(driver, store, look):
    with worker({**store.params, "user": APP}, driver, "fork") as process:
        until(lambda: len(store.processes()) == 2, timeout=10)
        assert len({row["id"] for row in store.processes()}) == 2
        checkouts = {one.process: one.counters["checkouts"] for one in look().pools}
        until(
            lambda: sorted(one.counters["checkouts"] for one in look().pools) == [1, 6], timeout=10
        )
        assert len(checkouts) == 2
        process.communicate("\n\n", timeout=10)


def test_an_end_without_a_network_takes_less_than_a_second(driver, store):
    with (
        Proxy({**store.params, "user": APP}) as proxy,
        worker(proxy.params, driver) as process,
    ):
        proxy.silence()
        began = time.monotonic()
        _, errors = process.communicate("\n", timeout=10)
        took = time.monotonic() - began
        assert (process.returncode, errors) == (0, "")
        assert took < 1.5  # of which the interpreter itself takes a part
        proxy.resume()
