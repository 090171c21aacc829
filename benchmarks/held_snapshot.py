"""How large does the fleet's table grow while somebody holds a snapshot for ten minutes?

A long report or a backup keeps every version of every row from being cleared, and 200 processes
that tell everything write fifty a second.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Final
from uuid import uuid4

from benchmarks.fleet import DRIVER, PROCESSES, beats_of
from benchmarks.measure import Effort, at_once
from benchmarks.report import Report, Table, Verdict
from multipool import get_driver
from multipool.fleet.heart import WATCHED, WRITES
from multipool.fleet.installing import script
from multipool.testing.server import EmbeddedServer, embedded_server

#: Seconds between two looks at the size.
LOOKS: Final = 0.2

LOOK: Final = """
    select json_build_object('size', pg_total_relation_size(oid), 'file', relfilenode,
        'rows', (select count(*) from multipool.process), 'cap', cap_bytes, 'full', is_full)::text
      from pg_class, multipool.control where oid = 'multipool.process'::regclass
"""


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    seconds = effort.pick(600.0, 2.0)
    with embedded_server() as server:
        server.psql(script())
        looks = _grow(server, seconds)
    most, cap = max(look["size"] for look in looks), looks[0]["cap"]
    closed = sum(look["full"] for look in looks)
    table = Table(
        f"{PROCESSES} processes with all their stacks, a snapshot held for {seconds:g} s",
        ["", ""],
        [
            ["the cap", f"{cap / 1e6:.1f} MB"],
            ["the largest that was seen", f"{most / 1e6:.1f} MB"],
            ["times that it was emptied", f"{len({look['file'] for look in looks}) - 1}"],
            ["rows at the end", f"{looks[-1]['rows']}"],
            ["looks that found it closed", f"{closed} of {len(looks)}"],
        ],
    )
    verdict = Verdict("size of the table, as part of its cap", most / cap, at_most=1.0)
    return Report("Held snapshot", (__doc__ or "").splitlines()[0], [table], [verdict])


def _grow(server: EmbeddedServer, seconds: float) -> list[dict[str, int]]:
    """Return what was seen of the table while the beats went on."""
    driver = get_driver(DRIVER)
    keeper = driver.connect(server.params, 10)
    try:
        cursor = keeper.cursor()
        cursor.execute("begin isolation level repeatable read")
        cursor.execute("select count(*) from pg_class")
        stop = time.perf_counter() + seconds
        looks: list[dict[str, int]] = []
        ids = [str(uuid4()) for _ in range(PROCESSES)]
        tasks = beats_of(server, ids, max(WATCHED, PROCESSES / WRITES), stop)
        tasks.append(partial(_look, server, stop, looks))
        at_once(len(tasks), lambda number: tasks[number](), patience=seconds + 60)
        return looks
    finally:
        driver.close(keeper)


def _look(server: EmbeddedServer, stop: float, looks: list[dict[str, int]]) -> None:
    driver = get_driver(DRIVER)
    conn = driver.connect(server.params, 10)
    try:
        while time.perf_counter() < stop:
            looks.append(json.loads(driver.ask(conn, LOOK) or "{}"))
            time.sleep(LOOKS)
    finally:
        driver.close(conn)
