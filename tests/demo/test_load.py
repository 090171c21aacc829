"""Two ways in turn: who begins, what is counted, what an error does."""

from __future__ import annotations

import threading
import time

import pytest

from multipool_django.demo import load
from multipool_django.demo.load import in_turn

SECONDS = 0.1


@pytest.fixture(autouse=True)
def _short_warm_up(monkeypatch):
    monkeypatch.setattr(load, "WARM_UP", 0.01)


def test_both_warm_up_and_then_who_begins_changes_from_round_to_round():
    order: list[str] = []

    def worker(name):
        def work():
            if order[-1:] != [name]:
                order.append(name)
            time.sleep(0.001)

        return work

    in_turn({"a": [worker("a")], "b": [worker("b")]}, SECONDS, tick=lambda: None)
    # Warm-up a, b; then a b, b a, a b, b a: equal neighbours are one entry.
    assert order == ["a", "b", "a", "b", "a", "b", "a"]


def test_the_warm_up_is_not_counted():
    done = 0

    def work():
        nonlocal done
        done += 1
        time.sleep(0.001)

    figures = in_turn({"only": [work]}, SECONDS, tick=lambda: None)["only"]
    assert 0 < figures.done < done


def test_the_figures_are_those_of_the_work():
    """Work of 10 ms by 2 workers for 0.1 s: no more than 200 a second, median and longest above."""

    def work():
        time.sleep(0.01)

    figures = in_turn({"only": [work, work]}, SECONDS, tick=lambda: None)["only"]
    assert figures.per_second <= 200
    assert 0.01 <= figures.median <= figures.longest
    assert figures.done >= 2 * load.ROUNDS


def test_the_workers_of_one_way_work_at_the_same_time():
    inside = threading.Semaphore(0)
    most = 0

    def work():
        nonlocal most
        inside.release()
        time.sleep(0.01)
        most = max(most, inside._value)
        inside.acquire()

    in_turn({"only": [work] * 3}, SECONDS, tick=lambda: None)
    assert most == 3


def test_an_error_ends_everything_and_is_raised():
    def work():
        raise LookupError("sold out")

    with pytest.raises(LookupError, match="sold out"):
        in_turn({"only": [work]}, 60, tick=lambda: None)
