"""How many connections a pool has had use for."""

from __future__ import annotations

from typing import Any

import pytest

from multipool.budget import use as uses
from multipool.budget.use import LATELY, MISSED, Use


class Hands:
    """Time that passes by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    hands = Hands()
    monkeypatch.setattr(uses, "monotonic", hands)
    return hands


def test_the_most_of_the_last_moments_counts(clock):
    use = Use()
    assert use.most() == 0
    for used in (3, 7, 2):
        use.note(used)
    assert use.most() == 7
    clock.now += 1.5 * LATELY
    use.note(2)
    assert use.most() == 7
    clock.now += 1.1 * LATELY
    assert use.most() == 2
    clock.now += LATELY
    assert use.most() == 0


@pytest.mark.parametrize("looks", [1, 2])
def test_it_is_known_when_less_will_be_the_most(clock, looks):
    use = Use()
    use.note(7)
    if looks == 2:
        clock.now += LATELY
        use.note(2)
    down = use.is_down_at(2)
    clock.now = down - 0.001
    assert use.most() == 7
    clock.now = down + 0.001
    assert use.most() <= 2
    assert use.is_down_at(7) == 0


def test_who_found_none_counts_until_the_store_has_been_told_but_not_for_ever(clock):
    use = Use()
    use.miss(4)
    clock.now += 5 * LATELY
    assert use.most() == 4
    use.told(clock.now - 6 * LATELY)  # of how it was before
    assert use.most() == 4
    use.told(clock.now)
    assert use.most() == 0
    use.miss(4)
    clock.now += MISSED
    assert use.most() == 0
