"""Case 13: only monotonic clocks decide."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
from hard_cases.outside import ask

import multipool
from multipool import PoolTimeout

WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today"}


@pytest.mark.parametrize("leap", [-1e8, 1e8], ids=["back", "ahead"])
def test_a_wall_clock_that_leaps_by_years_ends_no_connection_and_no_wait(
    make_pool, monkeypatch, leap
):
    pool = make_pool(max_size=1, max_lifetime=60, max_idle=60)
    first = pool.getconn()
    pool.putconn(first)
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + leap)
    conn = pool.getconn(timeout=5)
    assert conn is first
    assert ask(conn, "select 1") == [(1,)]
    started = time.monotonic()
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0)
    assert time.monotonic() - started < 1
    pool.putconn(conn)


def test_the_core_never_asks_for_the_time_of_day():
    """What watches and reports may; what decides about connections may not."""
    files = sorted(Path(multipool.__file__).parent.glob("*.py"))
    assert any(file.name == "pool.py" for file in files)
    found = [
        f"{file.name}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in WALL_CLOCKS)
        or (
            isinstance(node, ast.ImportFrom)
            and node.module in ("time", "datetime")
            and {alias.name for alias in node.names} & {"time", "time_ns", "datetime", "date"}
        )
    ]
    assert found == []
