"""``multipool top``, and how processes tell it of their pools."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import Thread, until

from multipool.cli import main
from multipool.driver import drivers
from multipool.watch import runtime
from multipool.watch.asking import processes

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets")

#: A program with a pool called shop; it says when it is ready, and ends when its input does.
PROGRAM = """
import os, sys, threading
from multipool import Pool
from multipool.testing.fake import FakeDriver, FakeServer
from multipool.watch import expose

server = FakeServer()
server.answers["select 'hunter2'"] = [("hunter2",)]

def shop():
    dsn = "dbname=shop user=app password=hunter2"
    return Pool(dsn, driver=FakeDriver(server), name="shop", queries=True)

def checkout(pool):
    conn = pool.getconn()
    conn.cursor().execute("select 'hunter2'")
    return conn

def wait():
    print("ready", flush=True)
    sys.stdin.read()
"""

ONE = PROGRAM + "pool = shop(); conn = checkout(pool); wait()"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sockets, for this test alone."""
    monkeypatch.setenv(runtime.VARIABLE, str(tmp_path / "run"))
    return tmp_path / "run"


@contextmanager
def running(program: str, *arguments: str, top: str = "1") -> Iterator[subprocess.Popen[str]]:
    """Run *program* until it is ready; at the end it must go by itself and in silence."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "MULTIPOOL_TOP": top},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        yield process
        if process.poll() is None:
            _, said = process.communicate(timeout=30)
            assert (process.returncode, said) == (0, "")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["top", *arguments]) == 0
    return capsys.readouterr().out


def test_it_shows_pools_holders_and_queries_of_all_processes(capsys: Any) -> None:
    with running(ONE) as one, running(ONE, "--password=hunter2") as other:
        text = printed(capsys, "--once")
        told = printed(capsys, "--once", "--json")
    found = json.loads(told)
    assert {process["pid"] for process in found["processes"]} == {one.pid, other.pid}
    for process in found["processes"]:
        (pool,) = process["pools"]
        assert (pool["stats"]["name"], pool["stats"]["used"]) == ("shop", 1)
        assert pool["target"] == "dbname=shop"
        (holder,) = pool["holders"]
        assert holder["checked_out"][0].endswith("in checkout")
    (query,) = found["queries"]["queries"]
    assert (query["text"], query["calls"]) == ("select ?", 2)
    heads = [line for line in text.splitlines() if line.startswith(("pools", "held", "queries"))]
    assert heads == ["pools: 2", "held connections: 2", "queries by total: 1"]
    assert "hunter2" not in text + told


def test_a_process_that_did_not_ask_for_it_has_no_socket_and_no_thread(
    capsys: Any, folder: Path
) -> None:
    program = PROGRAM + (
        "pool = shop(); conn = checkout(pool)\n"
        "assert 'multipool-top' not in {thread.name for thread in threading.enumerate()}\n"
        "assert 'multipool.watch.exposing' not in sys.modules\n"
        "wait()"
    )
    with running(program, top="0"):
        assert "No process of this user answers" in printed(capsys, "--once")
    assert not folder.exists()


def test_a_program_may_ask_for_it_itself(folder: Path) -> None:
    program = PROGRAM + "expose(); expose(); pool = shop(); wait()"
    with running(program, top="") as process:
        (found,) = processes()
        assert (found["pid"], found["pools"][0]["stats"]["size"]) == (process.pid, 0)
    assert list(folder.iterdir()) == []


def test_nobody_else_may_ask(folder: Path) -> None:
    with running(ONE):
        (path,) = folder.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_others_may_use_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    assert not list(runtime.sockets())
    program = PROGRAM + "pool = shop(); conn = checkout(pool); wait()"
    refusal = pytest.raises(AssertionError, match="is not shown by multipool top: .*nobody else")
    with refusal, running(program):
        pass
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    assert not runtime.is_private(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_answers_for_itself_and_leaves_its_parents_socket_alone(
    folder: Path,
) -> None:
    program = PROGRAM + (
        "import warnings; warnings.simplefilter('ignore')\n"
        "pool = shop(); conn = checkout(pool)\n"
        "arrived, arriving = os.pipe()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    mine = shop(); lent = checkout(mine)\n"
        "    os.write(arriving, b'x'); sys.stdin.read(); sys.exit()\n"
        "os.read(arrived, 1)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read(); os.waitpid(child, 0)\n"
        "assert len(os.listdir(os.environ['MULTIPOOL_RUNTIME_DIR'])) == 1"
    )
    with running(program) as parent:
        one, other = processes()
        pids = {one["pid"], other["pid"]}
        assert parent.pid in pids
        assert len(pids) == 2
        for process in (one, other):
            queries = [pool["queries"]["calls"] for pool in process["pools"]]
            assert sum(queries) == 1  # what its parent executed is its parent's
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    with running(ONE) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert len(list(folder.iterdir())) == 1
        assert processes() == []
    assert list(folder.iterdir()) == []


def test_a_stopped_process_is_left_out_and_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multipool.watch.asking.PATIENCE", 0.2)
    with running(ONE) as process:
        process.send_signal(signal.SIGSTOP)
        # The signal only tells it to: on another core it may go on for a moment.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert processes() == []
        process.send_signal(signal.SIGCONT)
        until(lambda: len(processes()) == 1, 20)


def test_all_are_asked_side_by_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multipool.watch.asking.PATIENCE", 10)
    folder.mkdir(mode=0o700)
    all_are_asked = threading.Barrier(2)

    def answer(pid: int, own: socket.socket) -> None:
        asking, _ = own.accept()
        with asking:
            all_are_asked.wait(30)
            asking.sendall(json.dumps({"pid": pid, "program": "shop", "pools": []}).encode())

    with ExitStack() as stack:
        answering = []
        for pid in (1, 2):
            own = stack.enter_context(socket.socket(socket.AF_UNIX))
            own.bind(str(folder / f"{pid}-0{runtime.SUFFIX}"))
            own.listen()
            answering.append(Thread(partial(answer, pid, own)))
        assert [process["pid"] for process in processes()] == [1, 2]
        for thread in answering:
            thread.outcome()


def test_it_tells_how_many_did_not_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("multipool.watch.asking.PATIENCE", 0.2)
    folder.mkdir(mode=0o700)
    with ExitStack() as stack:
        for pid in (1, 2):
            own = stack.enter_context(socket.socket(socket.AF_UNIX))
            own.bind(str(folder / f"{pid}-0{runtime.SUFFIX}"))
            own.listen()
        assert printed(capsys, "--once") == (
            "2 of this user's processes did not answer: stopped, or too busy.\n"
        )
        told = json.loads(printed(capsys, "--once", "--json"))
    assert (told["processes"], told["silent"]) == ([], 2)


def test_a_process_that_ran_out_of_descriptors_answers_once_it_has_some_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("multipool.watch.asking.PATIENCE", 0.2)
    program = PROGRAM + (
        "import resource\n"
        "pool = shop(); conn = checkout(pool)\n"
        "files = resource.RLIMIT_NOFILE\n"
        "most, utmost = resource.getrlimit(files)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline(); resource.setrlimit(files, (3, utmost)); print('none', flush=True)\n"
        "sys.stdin.readline(); resource.setrlimit(files, (most, utmost)); wait()"
    )
    with running(program) as process:

        def go_on() -> str:
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline()

        until(lambda: len(processes()) == 1, 20)
        assert go_on() == "none\n"
        until(lambda: not processes(), 20)  # it may have had the descriptor for one already
        assert go_on() == "ready\n"
        until(lambda: len(processes()) == 1, 20)


def test_one_that_asks_and_does_not_read_keeps_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(ONE):
        (path,) = folder.iterdir()
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(path))
            monkeypatch.setattr("multipool.watch.asking.PATIENCE", 10)
            assert len(processes()) == 1


@pytest.mark.parametrize("value", ["yes", "on"])
def test_another_value_of_the_variable_is_warned_of(value: str) -> None:
    warning = pytest.raises(AssertionError, match=f"MULTIPOOL_TOP='{value}' means nothing")
    with warning, running(ONE, top=value):
        pass


def test_json_goes_with_once(capsys: Any) -> None:
    assert main(["top", "--json"]) == 1
    assert "multipool top: --json is for --once" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["top", "advise"])
def test_a_driver_without_a_fleet_to_read_is_refused(command: str, capsys: Any) -> None:
    assert main([command, "--driver", drivers()[0]]) == 1
    assert f"multipool {command}: --driver is for --fleet" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--every=0", "--every=nan", "--limit=-1", "--by=rows"])
def test_an_option_out_of_bounds_is_refused(option: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["top", option])
    assert refused.value.code == 2


def test_a_look_at_the_fleet_that_is_too_seldom_is_refused(capsys: Any) -> None:
    assert main(["top", "--fleet", "host=127.0.0.1 port=1", "--every", "31"]) == 1
    assert "multipool top: --every 31: with --fleet it may be 30 at most" in capsys.readouterr().err


def test_without_rich_it_says_what_to_install(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "multipool.top.screen", raising=False)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(["top"]) == 1
    assert "pip install 'multipool[top]', or use --once" in capsys.readouterr().err
