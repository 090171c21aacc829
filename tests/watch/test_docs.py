"""What docs/watching.md shows is true."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

from multipool import PoolConfig
from multipool.watch.library import is_library
from multipool.watch.records import Holder, Trouble

TEXT = (Path(__file__).parents[2] / "docs" / "watching.md").read_text(encoding="utf-8")


def test_the_examples_run(make_pool, capsys, tmp_path):
    pool = make_pool()
    names = {"pool": pool, "Path": Path, "shop": SimpleNamespace(__file__=tmp_path / "shop.py")}
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
        for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
            exec(code, names)
    assert "1 of max_size=10 in use" in capsys.readouterr().out
    assert not is_library[str(tmp_path / "views.py")]


def test_the_options_are_those_of_a_pool_in_their_order_with_their_defaults():
    rows = [line.split("|")[1:3] for line in TEXT.splitlines() if line.startswith("| `")]
    listed = {name.strip(" `"): default.strip(" `") for name, default in rows}
    options = {option.name: option.default for option in fields(PoolConfig)}
    for name, default in listed.items():
        if default:
            assert repr(options[name]).replace(".0", "").replace("'", '"') == default
        else:
            assert options[name] is None
    names = list(options)
    assert list(listed) == names[names.index("trace") : names.index("report_every") + 1]


def test_the_fields_of_a_record_are_all_listed():
    fields_of_records = {one.name for kind in (Holder, Trouble) for one in fields(kind)}
    logging = TEXT.partition("## Logging")[2].partition("## ")[0]
    assert fields_of_records <= set(re.findall(r"`(\w+)`", logging))
