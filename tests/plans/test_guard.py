"""The guard gives up what is slower prepared, soon and on evidence; on a fake clock."""

from __future__ import annotations

import random

import pytest
from support import Thread

from multipool.plans.guard import (
    CALM,
    CLOSE,
    EVIDENCE,
    FIRST_PAUSE,
    FIRST_SAMPLE,
    FLOOR,
    LONGEST_PAUSE,
    SCATTERED,
    SHARE,
    STRIKES,
    Guard,
)

FAST = 0.0001
SLOW = 470 * FAST


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Statement:
    """A statement that takes so long prepared and unprepared, executed as a connection does."""

    def __init__(self):
        self.clock = Clock()
        self.guard = Guard(self.clock)
        self.reasons = []

    def execute(self, prepared, unprepared=FAST, **by):
        """Execute once; return whether it was prepared."""
        if self.guard.rests():
            self.clock.now += unprepared
            return False
        chosen = self.guard.trusted or self.guard.turn()
        seconds = prepared if chosen else unprepared
        self.clock.now += seconds
        guard = self.guard
        reason = guard.note_prepared(seconds, **by) if chosen else guard.note_unprepared(seconds)
        if reason is not None:
            self.reasons.append(reason)
        return chosen

    def run(self, count, prepared, unprepared=FAST):
        """Execute *count* times; return how many of these were prepared."""
        return sum(self.execute(prepared, unprepared) for _ in range(count))


@pytest.fixture
def statement():
    return Statement()


def test_a_statement_is_prepared_from_the_first_execution_on(statement):
    assert statement.execute(FAST)


def test_a_plan_that_turns_slow_is_given_up_after_three_slow_executions(statement):
    statement.run(50, FAST)
    assert statement.run(1000, SLOW) == STRIKES
    assert not statement.guard.trusted
    assert len(statement.reasons) == 1
    assert statement.guard.given_up == 1


def test_it_is_given_up_as_soon_when_it_turns_slow_before_any_unprepared_sample(statement):
    statement.run(5, FAST)
    assert statement.guard.unprepared.calls == 0
    assert statement.run(1000, SLOW) == STRIKES


def test_the_reason_tells_both_times_and_no_value(statement):
    statement.run(50, FAST)
    statement.run(20, SLOW)
    assert statement.reasons == ["took 47 ms prepared, unprepared 0.1 ms"]
    assert statement.guard.reason == statement.reasons[0]


def test_slow_executions_among_fast_ones_are_found_out_too(statement):
    statement.run(50, FAST)
    slow = 0
    for number in range(1000):
        slow += statement.execute(SLOW if number % 5 == 0 else FAST) and number % 5 == 0
    assert statement.guard.given_up == 1
    assert slow == SCATTERED


@pytest.mark.parametrize("bad", [{0}, {1, 3}, {0, 1, 2, 3}])
def test_a_plan_gone_wrong_on_some_connections_only_takes_three_slow_executions_too(bad, statement):
    statement.run(50, FAST)
    slow = 0
    for number in range(1000):
        by = number % 4
        slow += statement.execute(SLOW if by in bad else FAST, by=by) and by in bad
    assert statement.guard.given_up == 1
    assert slow == STRIKES


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
def test_a_busy_machine_that_holds_up_some_executions_hardly_ever_condemns_a_plan(
    share, connections
):
    given_up = unprepared = 0
    for seed in range(20):
        chance, statement = random.Random(seed), Statement()
        for number in range(5000):
            held_up = chance.expovariate(80) if chance.random() < share else 0.0
            by = number % connections
            unprepared += not statement.execute(FAST + held_up, 10 * FAST + held_up, by=by)
        given_up += statement.guard.given_up
    assert given_up <= 2
    assert unprepared < 0.15 * 20 * 5000


def test_patience_with_a_busy_machine_ends_when_it_is_calm(statement):
    statement.run(50, FAST)
    usual = statement.guard.limit
    for _ in range(5):
        statement.run(1, SLOW)
        statement.run(3, FAST)
        statement.run(1, SLOW)
        statement.run(2 * CLOSE, FAST)
    assert statement.guard.limit > 2 * usual
    statement.run(20 * CALM, FAST)
    assert statement.guard.limit == pytest.approx(usual)
    assert statement.run(100, SLOW) == STRIKES


def test_now_and_then_a_slow_execution_is_let_pass(statement):
    for _ in range(100):
        statement.run(CLOSE, FAST)
        assert statement.run(1, SLOW) <= 1
    assert statement.reasons == []
    assert statement.guard.trusted


def test_what_is_slow_unprepared_as_well_is_not_given_up(statement):
    statement.run(50, FAST)
    statement.run(1000, SLOW, SLOW)
    assert statement.reasons == []


def test_values_that_take_long_either_way_do_not_condemn_the_plan(statement):
    chance = random.Random(7)
    for _ in range(2000):
        heavy = SLOW if chance.random() < 0.5 else FAST
        statement.execute(heavy, heavy)
    assert statement.reasons == []


def test_a_doubt_is_settled_by_unprepared_executions(statement):
    statement.run(50, FAST)
    while statement.guard.trusted:
        statement.execute(SLOW)
    assert [statement.execute(SLOW) for _ in range(EVIDENCE + 1)] == [False] * EVIDENCE + [True]


def test_one_slow_unprepared_execution_does_not_clear_the_plan(statement):
    statement.run(50, FAST)
    while statement.guard.trusted:
        statement.execute(SLOW)
    assert not statement.execute(SLOW, unprepared=SLOW)
    assert statement.run(1000, SLOW) == 1
    assert len(statement.reasons) == 1


def test_a_statement_that_is_a_little_slower_prepared_is_given_up_in_time(statement):
    assert statement.run(5000, 2 * FAST) < 2000
    assert "2.0 times as long prepared" in statement.reasons[0]


def test_one_that_is_as_fast_is_not_given_up_whatever_the_noise(statement):
    chance = random.Random(3)
    for _ in range(20_000):
        statement.execute(FAST * chance.uniform(0.7, 1.3), FAST * chance.uniform(0.7, 1.3))
    assert statement.reasons == []


def test_samples_cost_a_small_share_of_the_time(statement):
    statement.run(100_000, FAST, 15 * FAST)
    guard = statement.guard
    assert guard.unprepared.calls > 1
    assert guard.unprepared.total < 2 * SHARE * guard.prepared.total + FIRST_SAMPLE * FAST


def test_what_was_given_up_is_tried_again_later_and_not_at_once(statement):
    statement.run(50, FAST)
    statement.run(20, SLOW)
    assert statement.guard.seconds_to_retry() == pytest.approx(FIRST_PAUSE, abs=0.1)
    before = statement.guard.unprepared.calls
    assert statement.run(1000, SLOW) == 0
    assert statement.guard.unprepared.calls == before + 1000
    statement.clock.now += FIRST_PAUSE
    assert statement.execute(FAST)
    assert statement.guard.reason is None
    assert statement.guard.seconds_to_retry() is None


def test_the_first_slow_execution_ends_another_try_and_the_pause_doubles(statement):
    statement.run(50, FAST)
    statement.run(20, SLOW)
    pause = FIRST_PAUSE
    for _ in range(10):
        statement.clock.now += pause
        assert statement.run(100, SLOW) == 1
        pause = min(2 * pause, LONGEST_PAUSE)
        assert statement.guard.seconds_to_retry() == pytest.approx(pause, abs=0.1)
    assert len(statement.reasons) == 11


def test_another_try_that_goes_well_earns_trust_again(statement):
    statement.run(50, FAST)
    statement.run(20, SLOW)
    statement.clock.now += FIRST_PAUSE
    statement.run(2 * CLOSE, FAST)
    statement.execute(SLOW)
    assert statement.guard.reason is None


def test_slow_executions_under_way_when_a_doubt_arises_do_not_end_it_without_evidence():
    guard = Guard(Clock())
    for _ in range(20):
        guard.note_prepared(FAST)
    for _ in range(8):  # on eight connections at once
        assert guard.note_prepared(SLOW) is None or guard.unprepared.calls
    assert not guard.trusted
    reasons = [guard.note_unprepared(FAST) for _ in range(EVIDENCE)]
    assert "slow 8 times" in reasons[-1]


def test_executions_may_be_told_by_the_batch():
    guard = Guard(Clock())
    guard.note_prepared(FAST, calls=32, seconds=32 * FAST)
    assert guard.prepared.calls == 32
    assert guard.prepared.total == pytest.approx(32 * FAST)
    assert guard.limit == pytest.approx(3 * FAST + FLOOR)


def test_what_cannot_be_prepared_is_given_up_for_a_while_as_well(statement):
    statement.guard.give_up("cannot be prepared")
    assert not statement.execute(FAST)
    statement.clock.now += FIRST_PAUSE
    assert statement.execute(FAST)


def test_a_note_in_the_middle_of_another_by_the_same_thread_is_dropped(monkeypatch):
    """As when it collects what has a connection in it, whose return tells the guard."""
    guard, told = Guard(), []

    def collecting(values):
        if not told:
            told.append(guard.note_prepared(SLOW))
            told.append(guard.note_unprepared(SLOW))
        return sorted(values)[len(values) // 2]

    monkeypatch.setattr("multipool.plans.guard.median", collecting)

    def note():
        for _ in range(5):
            guard.note_prepared(FAST)

    Thread(note).outcome()
    assert told == [None, None]
    assert (guard.prepared.calls, guard.unprepared.calls) == (5, 0)
