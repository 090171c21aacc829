"""One at a time on a machine."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support import Thread

from multipool.budget import gate as gates
from multipool.budget import meeting
from multipool.budget.gate import gate

HOLD = """
import sys, time
from multipool.budget.gate import gate
with gate(sys.argv[1], 5) as alone:
    print(alone, flush=True)
    time.sleep(60)
"""

pytestmark = pytest.mark.skipif(gates.fcntl is None, reason="files have no such locks here")


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(meeting.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return "host=db"


def test_two_threads_are_never_through_at_once(where: str) -> None:
    inside = []
    most = []

    def work() -> None:
        for _ in range(20):
            with gate(where, 10) as alone:
                assert alone
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    for thread in [Thread(work) for _ in range(4)]:
        thread.outcome()
    assert max(most) == 1


def test_another_process_is_waited_for_and_its_death_opens_the_way(where: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, where], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with gate(where, 0.05) as alone:
            assert not alone
        with gate("host=other", 0.05) as alone:
            assert alone
        process.kill()
        process.wait()
        with gate(where, 10) as alone:
            assert alone


def test_after_a_death_the_server_is_given_time_to_end_its_connection(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(gates, "sleep", slept.append)
    with pytest.raises(ZeroDivisionError), gate(where, 1):
        raise ZeroDivisionError
    assert slept == []
    with gate(where, 1):
        pass
    assert slept == [gates._MOURNING]
    with gate(where, 1):
        pass
    assert slept == [gates._MOURNING]


def test_who_may_write_no_file_keeps_to_itself(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting.tempfile, "tempdir", "/nowhere")
    entered = threading.Event()
    with gate(where, 1) as alone:
        assert alone
        assert Thread(lambda: _try(where, entered)).outcome() is False
    assert not entered.is_set()


def _try(where: str, entered: threading.Event) -> bool:
    with gate(where, 0.01) as alone:
        if alone:
            entered.set()
        return alone


def test_its_file_tells_nothing_of_where_it_leads(where: str, tmp_path: Path) -> None:
    with gate("host=secret.example", 1):
        [file] = tmp_path.iterdir()
        assert "secret" not in file.name
        assert file.stat().st_mode & 0o077 == 0


def test_where_there_are_no_locks_or_no_space_each_process_keeps_to_itself_only(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(number: int) -> Any:
        def fail(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        return fail

    with monkeypatch.context() as patch:
        patch.setattr(gates.fcntl, "lockf", fails(errno.ENOLCK))
        with gate(where, 0.05) as alone:
            assert alone
    monkeypatch.setattr(gates.os, "pwrite", fails(errno.ENOSPC))
    with gate(where, 0.05) as alone:
        assert alone
