"""A program under load is scraped over HTTP, as Prometheus does it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from export.using import PLAIN, exposed
from support import until

from multipool.export.facts import DURATIONS, STATE

pytest.importorskip("prometheus_client", reason='pip install "multipool[prometheus]"')

TOTALS = [fact for fact in PLAIN if fact.total]


class Shop:
    """The program, as its clients see it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._port = int(process.stdout.readline())

    def metrics(self):
        """Scrape: ``{name and labels: value}``, as they are written."""
        lines = [line for line in self._get("metrics").splitlines() if not line.startswith("#")]
        return {
            series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)
        }

    def stats(self):
        return json.loads(self._get("stats"))

    def quiet(self):
        """Return once it uses its pool no more."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "quiet\n"

    def _get(self, path):
        with urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=10) as answer:
            return answer.read().decode()


@pytest.fixture
def shop(driver, dsn):
    program = Path(__file__).with_name("shop.py")
    with subprocess.Popen(
        [sys.executable, str(program), driver.name, dsn],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Shop(process)
            process.stdin.close()
            assert process.wait(10) == 0
        finally:
            process.kill()


def series(fact, state=None):
    more = f',{STATE.replace(".", "_")}="{state}"' if state else ""
    return f'{exposed(fact)}{{db_client_connection_pool_name="shop"{more}}}'


def is_at_rest(shop):
    """Return whether upkeep has seen that nobody has a connection any more."""
    before = shop.stats()
    time.sleep(0.3)
    return shop.stats() == before


def test_what_is_scraped_is_what_the_pools_stats_say(shop):
    """Under load between what they said before and after; at rest, to the last digit."""
    until(lambda: shop.stats()["waited"] > 20, 30)
    before, scraped, after = shop.stats(), shop.metrics(), shop.stats()
    for fact in TOTALS:
        field = fact.fields[None]
        assert before[field] <= scraped[series(fact)] <= after[field]
    count = PLAIN[0]
    assert scraped[series(count, "idle")] + scraped[series(count, "used")] <= 3

    shop.quiet()
    until(lambda: is_at_rest(shop))
    stats, scraped = shop.stats(), shop.metrics()
    for fact in PLAIN:
        for state, field in fact.fields.items():
            assert scraped[series(fact, state)] == stats[field]
    for fact in DURATIONS:
        name = fact.name.replace(".", "_") + "_seconds"
        labels = '{db_client_connection_pool_name="shop"}'
        assert scraped[f"{name}_sum{labels}"] == stats[f"{fact.what}_time"]
        assert scraped[f"{name}_count{labels}"] == sum(stats[f"{fact.what}_times"])
    assert sum(stats["use_times"]) == stats["checkouts"]
    assert sum(stats["wait_times"]) == stats["waited"]
    assert sum(stats["connect_times"]) == stats["opened"] <= 3


def test_no_part_of_the_dsn_is_in_it(shop, params):
    scraped = " ".join(shop.metrics())
    for part in ("host", "dbname", "user", "password"):
        if len(params.get(part, "")) > 3:
            assert not re.search(rf"\b{re.escape(params[part])}\b", scraped)
