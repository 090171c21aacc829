"""Finalisers and signal handlers that call a pool in the midst of what their thread does in it."""

from contextlib import suppress

import pytest
from support import Thread

from multipool import PoolClosed, PoolError, PoolTimeout
from multipool.budget.stake import Stake
from multipool.fleet.heart import Heart
from multipool.fleet.options import FleetOptions
from multipool.upkeep import Inline


@pytest.fixture
def in_a_decision(make_pool, monkeypatch):
    """Return a call that calls something of a pool's in the midst of its own thread's decision."""

    def call(function):
        pool = make_pool()
        take, told = pool._inner.places.take, []

        def interrupted():
            monkeypatch.setattr(pool._inner.places, "take", take)
            try:
                function(pool)
            except PoolError as error:
                told.append(error)
            return take()

        monkeypatch.setattr(pool._inner.places, "take", interrupted)
        try:
            Thread(lambda: pool.putconn(pool.getconn())).outcome()
        except PoolClosed as error:
            told.append(error)
        return told

    return call


def test_a_finaliser_that_borrows_in_the_midst_of_a_decision_is_refused_at_once(in_a_decision):
    [error] = in_a_decision(lambda pool: pool.getconn())
    assert isinstance(error, PoolTimeout)
    assert "'shop': no connection at once: a finaliser or signal handler asks" in str(error)


def test_a_handler_that_resizes_in_the_midst_of_a_decision_is_refused(in_a_decision):
    [error] = in_a_decision(lambda pool: pool.resize(max_size=2))
    assert "'shop': cannot be resized just now: a finaliser or signal handler" in str(error)


def test_a_handler_may_close_the_pool_in_the_midst_of_a_decision(in_a_decision):
    [error] = in_a_decision(lambda pool: pool.close(timeout=0))
    assert isinstance(error, PoolClosed)


@pytest.mark.parametrize("make", [Stake, lambda: Heart(FleetOptions.read(True))])
def test_who_is_in_the_midst_of_asking_the_fleet_is_not_waited_for(make_pool, make):
    """A checkout comes by there where upkeep is inline, a signal's handler's too."""
    asking, pool = make(), make_pool()
    with asking._calls.lock:
        Thread(lambda: asking.tick(pool._inner)).outcome()


@pytest.mark.parametrize("make", [Stake, lambda: Heart(FleetOptions.read(True))])
def test_an_interrupt_as_the_fleet_is_about_to_be_asked_does_not_end_the_asking(
    make_pool, make, monkeypatch
):
    asking, pool = make(), make_pool(upkeep="inline", min_size=1)
    asked = []

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Inline, "background", interrupt)
    with suppress(KeyboardInterrupt):
        asking.tick(pool._inner)
    monkeypatch.setattr(Inline, "background", lambda *args: asked.append(args))
    asking.tick(pool._inner)
    assert len(asked) == 1
    asking.tick(pool._inner)  # it is under way
    assert len(asked) == 1
    asked.clear()  # as when whoever was to do it was interrupted
    asking.tick(pool._inner)
    assert len(asked) == 1
