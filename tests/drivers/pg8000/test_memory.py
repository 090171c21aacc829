"""A named cursor holds one batch of rows, however many there are."""

from __future__ import annotations

import os
import subprocess
import sys

READ = """
import resource
import sys

import multipool_pg8000

conn = multipool_pg8000.connect(sys.argv[1])
with conn.cursor("rows") as cursor:
    cursor.execute("select i, 'row number ' || i from generate_series(1, 1000000) as i")
    total = sum(number for number, _ in cursor)
conn.close()
# In KiB, but on macOS in bytes.
unit = 1 if sys.platform == "darwin" else 1024
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


def test_a_million_rows_by_a_named_cursor_take_less_than_50_megabytes(dsn):
    """The peak of a process that does nothing else, the interpreter included."""
    # The development mode's own bookkeeping of memory would be counted too.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    command = [sys.executable, "-c", READ, dsn]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=True)
    total, peak = map(int, done.stdout.split())
    assert total == 1_000_000 * 1_000_001 // 2
    assert peak < 50e6
