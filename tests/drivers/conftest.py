"""The adapters' own tests are collected where their driver is installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [
    path
    for driver in ("psycopg2", "psycopg", "pg8000")
    if not find_spec(driver)
    for path in (f"test_{driver}.py", driver)
]
