"""No value is handed on while garbage is collected, and none is lost."""

from __future__ import annotations

import gc

import pytest

from multipool.export.aside import Aside


@pytest.fixture
def seen():
    return []


@pytest.fixture
def aside(seen):
    aside = Aside(lambda *value: seen.append(value))
    yield aside
    aside.close()


def test_a_value_is_handed_on_at_once(aside, seen):
    aside("shop", 1)
    assert seen == [("shop", 1)]


def test_what_a_finaliser_of_collected_garbage_gives_goes_with_the_next(aside, seen):
    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            aside("first")
            during.extend(seen)

    during = []
    Cycle()
    gc.collect()
    assert during == []
    aside("second")
    assert seen == [("first",), ("second",)]


def test_closed_it_leaves_the_collector_alone():
    before = list(gc.callbacks)
    Aside(print).close()
    assert gc.callbacks == before
