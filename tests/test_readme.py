"""The README says what is true."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from multipool import PoolConfig

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_its_table_lists_every_option_in_order_with_its_default():
    table = [line.split("|") for line in section("Options").splitlines() if line[:3] == "| `"]
    rows = {name.strip(" `"): default.strip() for _, name, default, *_ in table}
    assert list(rows) == PoolConfig.names()
    del rows["name"]  # numbered
    for option in fields(PoolConfig):
        if option.name in rows:
            assert rows[option.name] == _shown(option.default)


def _shown(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, (str, bool)):
        return f"`{default}`" if isinstance(default, bool) else f'`"{default}"`'
    return f"{default:g}"


@pytest.mark.parametrize("heading", ["Run it", "Test it"])
def test_one_command_in_a_fenced_block_is_all_the_setup(heading):
    blocks = re.findall(r"^```sh\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    assert blocks[0].count("\n") == 1


def test_the_python_example_runs(dsn, driver):
    """The five lines, with the address and driver of this environment."""
    code = re.search(r"```python\n(.*?)```", section("Plain Python in five lines"), re.DOTALL)[1]
    code = code.replace('"postgresql://app@db/shop"', repr(dsn)).replace(
        '"psycopg2"', repr(driver.name)
    )
    code = code.replace("insert into visit default values", "create temporary table visit ()")
    names: dict = {}
    exec(code, names)
    assert names["pool"].stats().checkouts == 1
    names["pool"].close()
