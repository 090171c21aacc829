"""An adapter from outside is found by its entry point and passes the suite.

The example for SQLite is installed as a user would, in a folder of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "multipool_sqlite"

USE = """
from multipool import Pool
with Pool({"database": "shop.db"}, driver="sqlite3") as pool:
    with pool.connection() as conn:
        conn.execute("create table visit (n integer)")
        conn.execute("insert into visit values (1)")
    with pool.connection() as conn:
        print(type(conn).__module__, conn.execute("select n from visit").fetchall())
    print(pool.stats().opened)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a process in which the example is installed."""
    for needed in ("pip", "hatchling"):
        if not find_spec(needed):
            pytest.skip(f"the example is installed by {needed}, which is not there")
    target = tmp_path_factory.mktemp("installed")
    # pip itself is not held to our "warnings are errors".
    calm = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    install = "install --quiet --no-index --no-deps --no-build-isolation --target".split()
    subprocess.run([sys.executable, "-m", "pip", *install, target, EXAMPLE], env=calm, check=True)
    return {**os.environ, "PYTHONPATH": str(target)}


def run(installed, *arguments, cwd):
    # -P: what is imported is what is installed, not what lies in the working directory.
    command = [sys.executable, "-P", *arguments]
    done = subprocess.run(
        command, env=installed, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_found_by_its_entry_point_and_serves_a_pool(installed, tmp_path):
    output = run(installed, "-c", USE, cwd=tmp_path)
    assert output == "multipool_sqlite.connection [(1,)]\n1\n"


def test_the_example_passes_the_compliance_suite(installed, tmp_path):
    output = run(installed, "-m", "pytest", "-p", "no:cacheprovider", EXAMPLE, cwd=tmp_path)
    passed = re.search(r"(\d+) passed", output)
    assert passed
    assert int(passed[1]) > 50
