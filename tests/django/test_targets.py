"""The pools of the aliases, whatever other threads do with them at the same time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any

import pytest

from multipool_django import targets
from multipool_django.targets import Owner, Target

OWNER: Owner = ("pool", "web")


class FakePool:
    """Opens nothing."""

    closed = False

    def close(self, timeout: float) -> None:
        self.closed = True


def target(database: str) -> Target:
    return Target(object, {"dbname": database}, None, None, None, health_checks=False)


def found(database: str, owner: Owner = OWNER) -> Any:
    pool: Any = FakePool()
    return targets.pool_for(owner, target(database), lambda: pool)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_pools", {})


def interrupted(
    outer: Callable[[], object], inner: Callable[[], object], at: int
) -> tuple[object, list[object]]:
    """Run *outer* with *inner* at instruction *at* of `targets`; return what each returned.

    There the interpreter may let another thread run. Of *inner* it is nothing, if it came to none.
    """
    steps, told = 0, []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != targets.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if steps == at:
                told.append(inner())
            steps += 1
        return trace

    before = sys.gettrace()
    # Python 3.12 looks for instructions at all only if some frame had asked for them before.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        outcome = outer()
    finally:
        sys.settrace(before)
    return outcome, told


def at_each_step(
    outer: Callable[[], object], inner: Callable[[], object]
) -> Iterator[tuple[Any, Any]]:
    """Run *outer* over and over, with *inner* in its midst: an instruction later each time.

    Gives what they returned.
    """
    for at in count():
        targets._pools.clear()
        # One that is closed, and one that stays.
        first = found("first")
        found("stays")
        first.close(0)
        outcome, told = interrupted(outer, inner, at)
        if not told:
            assert at > 10
            return
        yield outcome, told[0]


def test_a_pool_is_not_lost_because_another_is_made_for_the_same_owner() -> None:
    for mine, theirs in at_each_step(lambda: found("mine"), lambda: found("theirs")):
        assert found("mine") is mine
        assert found("theirs") is theirs


def test_two_threads_that_make_a_pool_for_the_same_target_have_one() -> None:
    for mine, theirs in at_each_step(lambda: found("same"), lambda: found("same")):
        assert mine is theirs is found("same")
        assert not mine.closed


def test_a_pool_that_is_made_while_others_are_closed_is_open_or_closed_and_forgotten() -> None:
    for mine, _ in at_each_step(lambda: found("mine"), lambda: targets.close_pools(OWNER)):
        again = found("mine")
        assert again is mine or mine.closed
        assert not again.closed
    for _, mine in at_each_step(lambda: targets.close_pools(OWNER), lambda: found("mine")):
        again = found("mine")
        assert again is mine or mine.closed
        assert not again.closed


def test_whose_a_pool_is_can_be_asked_while_another_alias_gets_its_first() -> None:
    stranger: Any = FakePool()
    other: Owner = ("alias", "other")
    for asked, _ in at_each_step(
        lambda: targets.is_derived(stranger), lambda: found("mine", other)
    ):
        assert asked is False
    for _ in at_each_step(lambda: targets.close_pools_to("stays"), lambda: found("mine", other)):
        assert not found("mine", other).closed
