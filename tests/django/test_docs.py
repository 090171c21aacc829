"""What the documentation of the Django side shows is true."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.checks import run_checks
from django.db.backends import postgresql

import multipool_django

MakeAlias = Callable[..., Any]

DOCS = Path(__file__).parents[2] / "docs"
SNIPPETS = [
    pytest.param(code, id=f"{name} {number}")
    for name in ("django.md", "hold.md", "moving.md", "poolers.md")
    for number, code in enumerate(
        re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL)
    )
    if "DATABASES" in code
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_the_settings_shown_pass_the_checks(
    make_alias: MakeAlias, driver_name: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "dj_database_url" in code:
        pytest.importorskip("dj_database_url", reason="pip install dj-database-url")
    # The driver is the reader's choice, and this environment's here.
    code = re.sub(r'"multipool_django\.\w+"', f'"multipool_django.{driver_name}"', code)
    code = re.sub(r'driver="\w+"', f'driver="{driver_name}"', code)
    names: dict[str, Any] = {}
    exec(code, names)
    for alias, settings in names["DATABASES"].items():
        make_alias(alias, **{"OPTIONS": {}, **settings})
    assert run_checks(tags=["multipool"]) == []


def test_every_check_is_documented_and_no_other() -> None:
    folder = Path(multipool_django.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    given = set(re.findall(r'id="(multipool\.[EW]\d+)"', sources))
    table = (DOCS / "django.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(multipool\.[EW]\d+)`", table, re.MULTILINE)) == given


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_lead_somewhere(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]*)(?:#[^)]*)?\)", text):
        assert (DOCS / (target or name)).exists(), target


@pytest.mark.skipif(django.VERSION[:2] != (6, 1), reason="the patch is for Django 6.1")
@pytest.mark.skipif(not shutil.which("patch"), reason="install patch (apt-get install patch)")
def test_the_proposed_patch_applies_to_django(tmp_path: Path) -> None:
    shutil.copytree(
        Path(postgresql.__file__).parent, tmp_path / "django" / "db" / "backends" / "postgresql"
    )
    arguments = ["patch", "-p1", "--fuzz=0", "-i", str(DOCS / "upstream.patch")]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for path in tmp_path.rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), path, "exec")
