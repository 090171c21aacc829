"""Memory that does not grow with what is read: of the rows, and of a statement's text."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from multipool.placeholders import read

STATUS = Path("/proc/self/status")

READ = r"""
import re
import sys

import multipool_pg8000

conn = multipool_pg8000.connect(sys.argv[1])
with conn.cursor("rows") as cursor:
    cursor.execute("select i, 'row number ' || i from generate_series(1, 1000000) as i")
    total = sum(number for number, _ in cursor)
conn.close()
# Not getrusage(), which counts what the parent had when it started us.
peak = re.search(r"VmHWM:\s*([0-9]+) kB", open(sys.argv[2]).read())
print(total, int(peak[1]) * 1024)
"""


@pytest.mark.skipif(not STATUS.exists(), reason=f"the peak of a process is read from {STATUS}")
def test_a_million_rows_by_a_named_cursor_take_less_than_50_megabytes(dsn):
    """The peak of a process that does nothing else, the interpreter included."""
    # The development mode's own bookkeeping of memory would be counted too.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    command = [sys.executable, "-c", READ, dsn, STATUS]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=True)
    total, peak = map(int, done.stdout.split())
    assert total == 1_000_000 * 1_000_001 // 2
    assert peak < 50e6


@pytest.mark.parametrize("escapes", [False, True])
@pytest.mark.parametrize("around", ["'{}'", "E'{}'", "E'a'\n'{}'", '"{}"', "$${}$$", "--{}\n'a'"])
def test_to_read_a_long_literal_takes_no_more_than_a_few_times_its_length(around, escapes):
    text = f"select %s, {around.format('x' * 1_000_000)}"
    tracemalloc.start()
    try:
        read(text, escapes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(text)


def test_to_read_a_long_blank_takes_no_more_than_a_few_times_its_length():
    text = f"{' ' * 1_000_000}select %s;{' ' * 1_000_000}"
    tracemalloc.start()
    try:
        assert not read(text, False).several
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(text)
