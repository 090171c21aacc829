"""The benchmarks run and say what they are about. No figure of theirs is judged here."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ["dbutils", "django", "pg8000", "psycopg", "psycopg2", "psycopg_pool", "sqlalchemy"]
MISSING = [module for module in PEERS if not find_spec(module)]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("contention", ["Held 1000 µs", "Held 50 µs", "DBUtils PooledDB", "busiest/idlest"]),
        ("query", ["one bare connection", "in autocommit", "in a transaction", "32 threads"]),
        ("cold", ["10 threads at once", "one bare connect, psycopg2", "SQLAlchemy QueuePool"]),
        ("outage", ["50 users", "attempts/s", "Wrong password", "OperationalError"]),
        ("django", ["10 ms away", "Django's own pool, checks", "select 1;", "Versions"]),
        ("hold", ["two queries and 50 ms between", "on one processor", "PgBouncer", "a page"]),
        ("plans", ["psycopg, six joins", "by hand", "skewed data", "slow executions, pg8000"]),
        ("watching", ["whole stacks", "the report alone, pg8000", "µs"]),
        ("fleet", ["200 processes", "table locked", "server full", "network silent"]),
        ("budget", ["4 processes of 10 threads", "one killed", "Their shares", "on the server in"]),
        ("held_snapshot", ["200 processes", "the cap", "67.1 MB", "size of the table"]),
        ("dashboard", ["200 processes", "reading the fleet", "the page, over HTTP"]),
        ("shares", ["1,000 processes", "the first 60", "restarted", "sessions of pools"]),
        ("kills", ["10 idle connections killed", "psycopg_pool, check", "multipool, pg8000"]),
        ("hard_cases", ["3 A thread ends without", "14 A second return", "held", "why"]),
    ],
)
def test_each_benchmark_runs_and_prints_its_tables_and_verdicts(
    name: str, expected: list[str]
) -> None:
    printed = run(name)
    machine, versions, warning = printed.splitlines()[:3]
    assert "PostgreSQL" in machine
    assert "psycopg-pool" in versions
    assert "quick run" in warning
    for words in expected:
        assert words in printed
    assert "met: " in printed.replace("NOT MET: ", "met: ")


def test_the_report_is_written_as_markdown_with_a_chart_beside_it(tmp_path: Path) -> None:
    printed = run("checkout", "--markdown", "--write", str(tmp_path))
    assert "| pool | µs | times multipool |" in printed
    for words in ("By hand", "with pool.connection()", "Django's own pool", "psycopg2.pool"):
        assert words in printed
    assert "met: " in printed.replace("NOT MET: ", "met: ")
    report = (tmp_path / "benchmarks.md").read_text()
    assert "![Checkout and return of an idle connection](checkout.svg)" in report
    assert "psycopg_pool" in report
    chart = ElementTree.parse(tmp_path / "checkout.svg")
    bars = chart.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 9


def test_a_name_that_is_no_benchmark_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        AssertionError, match="called 'checkuot'; there are: checkout, .*hard_cases"
    ):
        run("checkuot")
