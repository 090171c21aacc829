"""What docs/plans.md shows is true."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from multipool.plans.options import PrepareOptions

TEXT = (Path(__file__).parents[2] / "docs" / "plans.md").read_text(encoding="utf-8")


def test_the_examples_run(dsn, driver, make_pool):
    with make_pool().connection() as conn:
        conn.cursor().execute(
            "create table product (id integer, name text, price integer, stock integer)"
        )
    names: dict = {}
    try:
        for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
            if "django" not in code:
                code = code.replace('"postgresql://app@db/shop"', repr(dsn))
                exec(code.replace('"psycopg2"', repr(driver.name)), names)
                names.setdefault("first", names["pool"])
        assert names["first"].plans()[0].calls == 1
    finally:
        names["first"].close()
        names["pool"].close()
        with make_pool().connection() as conn:
            conn.cursor().execute("drop table product")


def test_its_table_lists_every_entry_of_the_option():
    table = [line.split("|") for line in TEXT.splitlines() if line[:3] == "| `"]
    assert [name.strip(" `") for _, name, *_ in table] == [
        one.name for one in fields(PrepareOptions)
    ]
