"""Libraries that trace queries may have replaced parts of Django before an ENGINE is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# The parts that ours look at when they are imported, each replaced in a way that keeps the least
# of what Django's own has.
REPLACEMENTS = {
    "the cursor wrapper by a subclass": """
from django.db.backends import utils

class Traced(utils.CursorWrapper):
    def execute(self, sql, params=None):
        print("traced")
        return super().execute(sql, params)

utils.CursorWrapper = Traced
""",
    "ensure_connection by what is no function": """
from django.db.backends.base.base import BaseDatabaseWrapper
djangos = BaseDatabaseWrapper.ensure_connection

class Traced:
    def __get__(self, wrapper, cls=None):
        if wrapper is None:
            return self
        print("traced")
        return djangos.__get__(wrapper, cls)

BaseDatabaseWrapper.ensure_connection = Traced()
""",
    "connect by a function": """
from django.db.backends.base.base import BaseDatabaseWrapper
djangos = BaseDatabaseWrapper.connect

def connect(wrapper):
    print("traced")
    djangos(wrapper)

BaseDatabaseWrapper.connect = connect
""",
    "_commit by what is no function": """
from functools import partialmethod
from django.db.backends.base.base import BaseDatabaseWrapper

def commit(wrapper, whole):
    print("traced")
    return whole(wrapper)

BaseDatabaseWrapper._commit = partialmethod(commit, BaseDatabaseWrapper._commit)
""",
}

QUERY = """
import django
django.setup()
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("select 6 * 7")
    print(cursor.fetchone()[0])
connection.close()
connection.close_pool()
"""


@pytest.mark.parametrize("what", REPLACEMENTS)
def test_an_engine_is_loaded_and_has_what_a_library_put_there_called(
    database: dict[str, Any], what: str
) -> None:
    environment = {
        **os.environ,
        "LIBRARY_DATABASES": json.dumps({"default": database}),
        "DJANGO_SETTINGS_MODULE": "settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", REPLACEMENTS[what] + QUERY],
        cwd=Path(__file__).parent / "project",
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"traced", "42"} == set(done.stdout.split())
