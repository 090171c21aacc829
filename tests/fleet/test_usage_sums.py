"""What the processes of an application hold connections for, added up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fleet_store import beat

from multipool.dashboard.sections import usage as section
from multipool.fleet.detail import USAGES, detail_of
from multipool.fleet.folding import fold
from multipool.fleet.packing import pack
from multipool.fleet.rows import usages_of
from multipool.testing import fleets

BOOK = {
    "kind": "view",
    "name": "shop.views.book",
    "route": "/books/<int:pk>/",
    "hold": "request",
    "times": 40,
    "lasted": 2.1,
    "held": 2.1,
    "used": 0.01,
}


def row(*usages, app="shop"):
    """Return the row of a process that has told *usages*."""
    return {"app": app, "detail": {"pools": {"default": {"usage": list(usages)}}}}


def test_a_view_is_the_sum_of_all_processes_and_says_whether_hold_would_help():
    [book] = usages_of([row(BOOK), row(BOOK, {**BOOK, "times": 0, "held": 1.0})])
    assert (book.app, book.times, book.held, book.used) == ("shop", 80, 5.2, 0.03)
    assert book.hint.startswith('hold="transaction" would help view shop.views.book')


def test_applications_and_ways_to_hold_are_kept_apart_and_the_idlest_is_first():
    found = usages_of(
        [row({**BOOK, "hold": "transaction"}, BOOK), row({**BOOK, "held": 9.0}, app="mail")]
    )
    assert [(one.app, one.hold) for one in found] == [
        ("mail", "request"),
        ("shop", "transaction"),
        ("shop", "request"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {**BOOK, "kind": "hunter2"},
        {**BOOK, "kind": []},
        {**BOOK, "hold": None},
        "view",
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_left_out(bad):
    assert usages_of([row(bad), {"app": "shop", "detail": None}]) == ()


@pytest.mark.parametrize("figure", ["x", None, -3, 10**400, float("nan"), [], True])
def test_figures_that_make_no_sense_are_none(figure):
    figures = dict.fromkeys(("times", "lasted", "held", "used"), figure)
    [found] = usages_of([row({**BOOK, **figures, "name": 7})])
    assert (found.times, found.lasted, found.held, found.used, found.name) == (0, 0, 0, 0, "")
    assert "100 %" in section.draw(replace(fleets.healthy(), usage=(found,)))


@pytest.fixture
def pool(make_pool, store):
    """A pool that has held connections for more views than are told of."""
    made = make_pool(store, queries=True)
    for number in range(USAGES + 10):
        view = ("view", f"shop.views.view_{number}", f"/{number}/")
        made._inner.usage_log.count(view, "request", 2.0, 2.0, 1.5 - number / 100)
    return made


def test_what_a_process_counted_is_in_the_snapshot_those_first_that_left_most_idle(
    pool, store, look
):
    store.psql("select multipool.watch(60)")
    beat(pool)
    beat(pool)
    found = look().usage
    assert [one.name.rpartition("_")[2] for one in found] == [str(n) for n in range(29, 9, -1)]
    assert (found[0].route, found[0].times, found[0].held) == ("/29/", 1, 2.0)
    assert found[0].used == pytest.approx(1.21)


def test_it_makes_no_row_heavy(pool):
    detail = detail_of(pool)
    without = pack(fold({"default": {**detail, "usage": []}}))
    assert len(pack(fold({"default": detail}))) - len(without) < 1000
