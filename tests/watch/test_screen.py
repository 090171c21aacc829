"""The live screen of ``multipool top``."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from multipool.cli import main
from multipool.testing import fleets
from multipool.top import of_fleet, overview
from multipool.top.sections import Overview, Section
from multipool.watch import runtime

pytestmark = [
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets"),
    pytest.mark.skipif(not find_spec("rich"), reason="pip install rich"),
]

HOLDER = (
    *("gunicorn 20114", "default", "'ThreadPoolExecutor-0_3'", "131.4 s"),
    "idle in transaction 128.2 s",
    *(f"shop/views.py:{line} in checkout" for line in (88, 91)),
    "shop/payment.py:14 in charge",
)
POOL = (
    *("gunicorn 20114", "default", "psycopg2", "120", "0", "37", "128", "17 of 90", "1204", "0"),
    "host=db.internal dbname=shop",
)
QUERY = (
    *("71.3%", "41.2 s", "9120", "4.52 ms", "3.84 ms", "9.97 ms", "21.5 ms", "9118", "2"),
    "shop/views.py:88: select * from orders where id in (?, ...)",
)
#: As ``128``, ``17 of 90``, ``71.3%``, ``4 min 9 s``.
FIGURE = re.compile(r"[\d.]+%?( of)?( \d+| [a-z%]+)*")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of this test alone, and nothing that says how terminals are to be taken."""
    monkeypatch.setenv(runtime.VARIABLE, str(tmp_path / "run"))
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def shown(what: Overview, width: int) -> str:
    from rich.console import Console

    from multipool.top.screen import drawn

    console = Console(width=width, file=io.StringIO())
    console.print(drawn(what))
    return console.file.getvalue()


def test_the_screen_reads_no_markup_in_what_it_shows() -> None:
    section = Section("pools", ("a", "b"), [("1", "[bold]x[/] y\x1b[2J")], total=7)
    text = shown(Overview(["a [red]line[/]"], [section]), 60)
    assert "a [red]line[/]" in text
    assert "pools: 1 of 7" in text
    assert "[bold]x[/] y?[2J" in text


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_no_figure_is_cut_on_a_narrow_screen(width: int) -> None:
    sections = [
        Section("pools", overview._POOLS, [POOL]),
        Section("queries", overview._QUERIES, [QUERY]),
    ]
    of_fleets = of_fleet.overview(fleets.exhausted(), "total", 20).sections
    for section in (*sections, *of_fleets):
        text = shown(Overview([], [section]), width)
        for row in section.rows:
            figures = [cell for cell in row if FIGURE.fullmatch(cell)]
            told = [rf"(?<!\S){re.escape(figure)}(?!\S)" for figure in figures]
            assert figures
            assert re.search(".*".join(told), text), figures


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_where_and_for_how_long_is_told_whole_on_a_narrow_screen(width: int) -> None:
    _, head, *lines = shown(
        Overview([], [Section("held connections", overview._HOLDERS, [HOLDER])]), width
    ).splitlines()
    assert "now" in head
    starts = [head.index(name[:4]) for name in overview._HOLDERS]
    cells = [
        "".join(line[start:end] for line in lines).replace(" ", "")
        for start, end in zip(starts, [*starts[1:], None], strict=True)
    ]
    for index in (0, 3, 5, 6, 7):
        assert cells[index] == HOLDER[index].replace(" ", "")


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("head", [overview._QUERIES, of_fleet._QUERIES])
def test_a_statement_can_be_read_on_a_narrow_screen(width: int, head: tuple[str, ...]) -> None:
    statement = "shop/views.py:88: " + " ".join(f"column_{n}," for n in range(30)) + "\x1b[2J"
    text = shown(Overview([], [Section("queries", head, [(*QUERY[:-1], statement)] * 2)]), width)
    assert text.count(statement[:59]) == 2
    assert len(text.splitlines()) <= 2 + 2 * 2 + 1
    assert head[-1] in text
    assert "\x1b" not in text


@pytest.mark.parametrize("term", ["dumb", None])
def test_where_there_is_no_screen_it_says_to_look_once(
    term: str | None, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if term is not None:  # and the terminal is one, as far as that goes
        monkeypatch.setenv("TERM", term)
        monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("multipool.top.screen.Live", None)
    assert main(["top"]) == 1
    told = capsys.readouterr()
    assert "multipool top: the live screen is for a terminal" in told.err
    assert "use --once" in told.err
    assert told.out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_whatever_ends_it_leaves_the_terminal_as_it_was(name: str, status: int) -> None:
    ours, its = os.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "multipool.cli", "top", "--every", "0.5"],
            env={**os.environ, "TERM": "xterm"},
            stdin=its,
            stdout=its,
            stderr=its,
        ) as process:
            os.close(its)
            before = read(ours, b"No process of this user answers")
            assert b"\x1b[?1049h" in before  # another screen, and no cursor
            assert b"\x1b[?25l" in before
            process.send_signal(getattr(signal, name))
            after = read(ours, None)
            try:
                assert process.wait(30) == status
            finally:
                process.kill()
        assert b"\x1b[?1049l" in after
        assert b"\x1b[?25h" in after
        assert b"Traceback" not in after
    finally:
        os.close(ours)


def read(terminal: int, until: bytes | None) -> bytes:
    """Return what is written to *terminal* up to these words, or up to its end."""
    found = b""
    deadline = time.monotonic() + 30
    while until is None or until not in found:
        assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], found
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so of one that nobody has open any more
            break
        if not piece:
            break
        found += piece
    return found
