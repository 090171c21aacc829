"""Who should have how many: the arithmetic."""

from __future__ import annotations

import pytest

from multipool.budget.sharing import (
    LEASE,
    PULSE,
    SLICE,
    Claim,
    Group,
    Mine,
    State,
    breath,
    decide,
    granted,
    lease,
    level,
    pause,
    pulse,
)


def group(want: int, cap: int, members: int = 1, ahead: int = 0) -> Group:
    return Group(want=want, cap=cap, members=members, ahead=ahead)


def state(budget: int, *groups: Group, cap: int = 0, coming: int = 0) -> State:
    taken = sum(one.cap * one.members for one in groups) + cap + coming
    return State(budget=budget, free=budget - taken, coming=coming, groups=groups)


@pytest.mark.parametrize(
    ("budget", "wants", "expected"),
    [
        (11, [(10, 4)], (2, 3)),
        (12, [(10, 4)], (3, 0)),
        (11, [(1, 1), (2, 1), (10, 2)], (4, 0)),
        (11, [(1, 3)], (1, 8)),
        (3, [(5, 10)], (0, 3)),
        (11, [(0, 4)], (0, 11)),
        (11, [], (0, 11)),
    ],
)
def test_everybody_has_what_he_wants_up_to_a_level(budget, wants, expected):
    assert level(budget, wants) == expected


def test_a_process_is_granted_what_others_have_not_and_keeps_what_it_holds():
    assert granted(11, others=6, keep=0, ask=10) == 5
    assert granted(11, others=11, keep=3, ask=10) == 3  # what is open cannot be denied
    assert granted(11, others=0, keep=2, ask=2) == 2


def test_who_knows_nothing_introduces_himself():
    assert decide(None, Mine(cap=0, held=0, want=4)) == Claim(want=4, cap=0, keep=0, ask=0)


def test_who_lacks_something_asks_for_his_part():
    claim = decide(state(11, group(10, 11)), Mine(cap=0, held=0, want=10))
    assert (claim.cap, claim.ask) == (0, 6)  # one from the rest: nobody is before him


def test_who_has_more_than_his_part_gives_what_others_lack_and_no_more():
    mine = Mine(cap=10, held=10, want=10)
    assert decide(state(11, group(3, 0), cap=10), mine).cap == 8  # one is free
    assert decide(state(11, group(10, 0, members=3), cap=10), mine).cap == 3
    assert decide(state(11, group(0, 0), cap=10), mine).cap == 10


def test_what_others_are_about_to_release_need_not_be_given_too():
    told = state(11, group(3, 0), cap=8, coming=3)
    assert decide(told, Mine(cap=8, held=8, want=8)).cap == 8


def test_it_holds_what_is_open_until_that_is_closed():
    claim = decide(state(11, group(10, 1), cap=10), Mine(cap=10, held=10, want=10))
    assert (claim.cap, claim.keep) == (6, 10)


def test_those_that_have_too_much_give_in_proportion():
    told = state(12, group(6, 0), group(0, 3), cap=9)
    assert decide(told, Mine(cap=9, held=9, want=0)).cap == 4  # 5 of 6, its 9 of 12 rounded up


def test_idle_connections_are_kept_while_nobody_needs_them_but_one_is_left_for_the_next():
    assert decide(state(11, group(2, 2), cap=5), Mine(cap=5, held=5, want=0)).cap == 5
    assert decide(state(11, group(2, 2), cap=9), Mine(cap=9, held=9, want=0)).cap == 8
    assert decide(state(11, group(2, 2), cap=9), Mine(cap=9, held=9, want=9)).cap == 9


def test_a_right_that_is_not_used_is_given_back():
    assert decide(state(11, cap=5), Mine(cap=5, held=2, want=1)).cap == 2


def test_min_size_is_filled_from_what_nobody_needs():
    mine = Mine(cap=0, held=0, want=0, wish=4)
    assert decide(state(11, group(10, 8)), mine).ask == 1
    assert decide(state(11, group(1, 1)), mine).ask == 4


def test_where_there_are_more_than_connections_the_first_in_line_have_their_turn():
    mine = Mine(cap=0, held=0, want=5)
    waiting = group(5, 0, members=6, ahead=2)
    assert decide(state(3, waiting, group(5, 1, members=3)), mine).ask == 1
    assert decide(state(3, group(5, 0, members=6, ahead=5), group(5, 1, 3, 3)), mine).ask == 0


def test_a_turn_ends_only_when_somebody_waits_and_none_is_free():
    had = Mine(cap=1, held=1, want=5, had_for=SLICE)
    claim = decide(state(3, group(5, 0, members=6), group(5, 1, members=2), cap=1), had)
    assert (claim.cap, claim.keep, claim.end_turn) == (0, 1, True)
    assert not decide(state(3, group(5, 0, members=6), group(5, 1), cap=1), had).end_turn
    assert not decide(state(3, group(5, 1, members=2), cap=1), had).end_turn
    short = Mine(cap=1, held=1, want=5, had_for=SLICE / 2)
    assert decide(state(3, group(5, 0, members=6), group(5, 1, members=2), cap=1), short).cap == 1


def test_claims_are_more_frequent_where_something_is_lacking_and_rarer_in_a_crowd():
    lacking = Mine(cap=0, held=0, want=3)
    content = Mine(cap=3, held=3, want=3)
    few, many = state(11, group(1, 1)), state(1000, group(1, 1, members=999))
    assert pause(few, lacking) < pause(few, content) == pulse(few) == PULSE
    assert pause(many, content) == pulse(many) == 20
    assert lease(many) == LEASE * 20


def test_what_there_is_a_reason_for_is_told_sooner_where_there_are_few():
    lacking = Mine(cap=0, held=0, want=3)
    few, some, many = (state(1000, group(1, 1, members=number - 1)) for number in (4, 10, 1000))
    assert [breath(one) for one in (few, some, many)] == [0.08, 0.2, 20]
    assert pause(few, lacking) == breath(few)
    assert pause(many, lacking) < breath(many)


def test_somebody_lacks_something_who_wants_more_than_he_has():
    assert state(11, group(3, 3), group(2, 1)).lacking
    assert not state(11, group(3, 3), group(0, 1)).lacking


def test_the_farther_back_in_line_the_rarer_are_claims_that_cost_a_connection():
    mine = Mine(cap=0, held=0, want=1)
    pauses = [pause(state(1, group(1, 0, 50, ahead), group(1, 1)), mine) for ahead in (1, 20, 40)]
    assert pauses == sorted(set(pauses))
