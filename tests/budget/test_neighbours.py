"""Those on one machine that share a budget wake each other, and know who has died."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from multipool.budget import meeting, neighbours
from multipool.budget.neighbours import Neighbours

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")

LIVE = """
import os, sys
from multipool.budget.neighbours import Neighbours
one = Neighbours()
one.move_in("host=db", sys.argv[1])
print(one.fd >= 0, flush=True)
sys.stdin.read()
os._exit(0)
"""

Make = Callable[[str], Neighbours]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they meet."""
    short = tmp_path.parent / tmp_path.name[-8:]  # a socket's name has a hundred letters at most
    short.mkdir(exist_ok=True)
    monkeypatch.setattr(meeting.tempfile, "tempdir", str(short))
    monkeypatch.setenv("TMPDIR", str(short))
    monkeypatch.setattr(neighbours, "MOURNING", 0.0)
    return short


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Neighbours] = []

    def one(name: str) -> Neighbours:
        made.append(Neighbours())
        made[-1].move_in("host=db", name)
        return made[-1]

    yield one
    for each in made:
        each.move_out()


def start(name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LIVE, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def is_knocked_at(one: Neighbours) -> bool:
    return bool(select.select([one.fd], [], [], 0)[0])


def test_a_knock_is_heard_by_all_others_until_they_answer(make):
    first, second, third = make("a"), make("b"), make("c")
    first.knock()
    assert [is_knocked_at(one) for one in (first, second, third)] == [False, True, True]
    second.answer()
    assert not is_knocked_at(second)


def test_those_who_share_something_else_hear_nothing(make):
    one, other = make("a"), Neighbours()
    other.move_in("host=elsewhere", "b")
    one.knock()
    assert not is_knocked_at(other)
    other.move_out()


def test_more_knocks_than_a_door_holds_keep_nobody(make):
    one, other = make("a"), make("b")
    for _ in range(2000):
        one.knock()
    other.answer()
    assert not is_knocked_at(other)


def test_who_was_killed_is_known_to_be_dead_until_buried(make, directory):
    one = make("a")
    process = start("b")
    one.look()
    assert one.dead() == []
    kill(process)
    one.look()
    assert one.dead() == [f"{process.pid}-b"]
    one.bury(one.dead())
    one.look()
    assert one.dead() == []
    assert [path.name for path in directory.glob("*/*")] == [f"{os.getpid()}-a"]


def test_the_dead_are_mourned_before_they_are_told_of(make, monkeypatch):
    one = make("a")
    process = start("b")
    kill(process)
    monkeypatch.setattr(neighbours, "MOURNING", 1000.0)
    one.look()
    assert one.dead() == []
    assert one.mourned_until < float("inf")


def test_one_whose_process_is_there_no_more_lives_while_its_door_is_open(make, monkeypatch):
    # As one of another container, which has numbers of its own.
    one = make("a")
    process = start("b")
    monkeypatch.setattr(neighbours.os, "kill", _nobody)
    one.look()
    assert one.dead() == []
    kill(process)
    one.look()
    assert one.dead() == [f"{process.pid}-b"]


def _nobody(pid: int, signal: int) -> None:
    raise ProcessLookupError(pid, signal)


def test_one_that_has_shut_its_door_lives_while_there_is_its_process(make):
    one, other = make("a"), make("b")
    other._door.close()
    one.look()
    assert one.dead() == []


def test_who_moves_out_last_leaves_nothing(make, directory):
    first, last = make("a"), make("b")
    first.move_out()
    assert [path.name for path in directory.glob("*/*")] == [f"{os.getpid()}-b"]
    last.move_out()
    assert list(directory.iterdir()) == []


def test_a_forked_child_leaves_the_doors_of_its_parent_alone(make, directory):
    one, other = make("a"), make("b")
    child = os.fork()
    if child == 0:
        one.move_out()
        os._exit(0)
    os.waitpid(child, 0)
    other.knock()
    assert is_knocked_at(one)


def test_a_directory_that_others_may_use_is_used_by_nobody(make, directory):
    make("a")
    [found] = directory.glob("*.d")
    found.chmod(0o777)
    assert make("b").fd < 0


def test_a_directory_with_too_long_a_name_has_no_doors(monkeypatch, tmp_path):
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    monkeypatch.setattr(meeting.tempfile, "tempdir", str(deep))
    one = Neighbours()
    one.move_in("host=db", "a")
    assert one.fd < 0
    one.knock()
    one.look()
    assert one.dead() == []
