"""A signal handler or finaliser that calls the pool, at each point at which one may run.

It runs in the midst of whatever its thread does, and that may be one of the pool's own decisions,
whose lock it cannot wait for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

import pytest
from support import Thread
from torture import test_interrupts_at_every_point as interrupts
from torture.checkpoints import once_at, visiting
from torture.test_interrupts_at_every_point import Act, check, whole_pool

from multipool import Pool, PoolError, amid

pytestmark = pytest.mark.usefixtures("stepped")

#: Those in which decisions are made, and what becomes of them does not depend on another thread's
#: having its turn.
SCENARIOS = [
    interrupts.checkout_of_a_wary_connection,
    interrupts.checkout_of_a_dead_connection,
    interrupts.checkout_that_connects,
    interrupts.checkout_that_waits,
    interrupts.checkout_that_times_out,
    interrupts.return_of_a_spent_connection,
    interrupts.return_to_one_who_waits,
    interrupts.with_block,
    interrupts.resize,
]


def borrow(pool: Pool) -> None:
    pool.putconn(pool.getconn(timeout=0.02))


def close(pool: Pool) -> None:
    pool.close(timeout=0)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amid, "_LONG", 0.01)


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("handler", [borrow, close])
def test_a_handler_at_every_point_neither_hangs_nor_harms_the_pool(handler, scenario, upkeep):
    called = []
    for number in itertools.count():
        place = Thread(lambda n=number: call_in(scenario, upkeep, handler, n)).outcome(60)
        if place is None:
            break
        called.append(place)
    assert called


def call_in(
    scenario: Callable[[Pool], Act], upkeep: str, handler: Callable[[Pool], None], number: int
) -> str | None:
    """Play *scenario* with a call of *handler* at its point *number*; return where that was.

    None if there are not as many.
    """

    def call() -> None:
        with suppress(PoolError):
            handler(pool)

    visit, places = once_at(number, call)
    with whole_pool(upkeep) as pool:
        act = scenario(pool)
        with visiting(visit):
            if handler is close:
                with suppress(PoolError):
                    act()
            else:
                act()
        if handler is borrow:
            check(pool, f"borrowed at {places}")
    return places[0] if places else None
