"""The README says what is true."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from multipool import PoolConfig

README_FILE = Path(__file__).parents[1] / "README.md"
README = README_FILE.read_text(encoding="utf-8")
BENCHMARKS = (README_FILE.parent / "docs/benchmarks.md").read_text(encoding="utf-8")

_BY_HAND = "By hand: getconn and putconn, or what the pool calls them"
_HELD = "Held 1000 µs"
#: What the rows of the README's table tell, and by which table and column of the benchmarks.
COMPARED = {
    "checkout and return, µs": (_BY_HAND, "µs"),
    "the same, multipool in Python alone": (_BY_HAND, "µs"),
    "32 threads on 10 connections, held 1 ms: leases a second": (_HELD, "leases/s"),
    "the busiest thread's leases by the idlest's": (_HELD, "busiest/idlest"),
    "the longest wait, ms": (_HELD, "longest wait, ms"),
}
POOLS = {"SQLAlchemy": "SQLAlchemy QueuePool", "DBUtils": "DBUtils PooledDB"}


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


def test_its_comparison_is_what_the_benchmarks_found():
    (_, *pools), _, *rows = _cells(section("How it compares"))
    assert [what for what, *_ in rows] == list(COMPARED)
    for what, *shown in rows:
        title, column = COMPARED[what]
        (_, *columns), _, *found = _cells(BENCHMARKS.partition(f"\n**{title}**\n")[2])
        figures = {pool: row[columns.index(column)] for pool, *row in found}
        for pool, figure in zip(pools, shown, strict=True):
            if figure not in ("", "raises"):
                name = "multipool, Python alone" if "alone" in what else POOLS.get(pool, pool)
                decimals = len(figure.partition(".")[2])
                assert figure == f"{float(figures[name]):,.{decimals}f}", (what, pool)


def test_its_words_on_what_is_built_in_c_are_what_the_benchmarks_found():
    words = " ".join(section("Install it").split())
    assert "by hand that takes about half the time, in a `with` block hardly less" in words
    by_hand, in_a_block = map(_c_by_python, (_BY_HAND, "with pool.connection(): pass"))
    assert 0.4 < by_hand < 0.6 < 0.85 < in_a_block <= 1


def _c_by_python(title: str) -> float:
    _, _, *rows = _cells(BENCHMARKS.partition(f"\n**{title}**\n")[2])
    figures = {pool: float(figure) for pool, figure, *_ in rows}
    return figures["multipool"] / figures["multipool, Python alone"]


DOCS = [README_FILE, *sorted((README_FILE.parent / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_what_is_shown_as_python_is_python(path):
    for code in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
        compile(code, path.name, "exec")


def _cells(text: str) -> list[list[str]]:
    """Return the rows of the first table in *text*, its head and its rule included."""
    table = re.search(r"(?:^\|.*\|\n)+", text, re.MULTILINE)[0]
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in table.splitlines()]


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
