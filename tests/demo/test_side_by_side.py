"""Several ways to one database: that all visit the same pages, and what is needed for each."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytest.importorskip("django")

from multipool.driver import drivers
from multipool_django.demo import ways
from multipool_django.demo.children import ChildFailed, Children
from multipool_django.demo.side_by_side import SideBySide
from multipool_django.demo.signals import Stop

INSTALLED = [name for name in drivers() if find_spec(name)]


@pytest.fixture
def shop(server):
    """The parameters of a database that holds the shop, and those who visit it."""
    server.psql("create database shop_side_by_side")
    params = {**server.params, "dbname": "shop_side_by_side", "password": ""}
    driver = INSTALLED[0]
    with Stop() as stop, Children(stop) as children:
        engine = f"multipool_django.{driver}"
        children.start("stock", driver=driver, engine=engine, params=params).hear()
        yield params, children
    server.psql("drop database shop_side_by_side with (force)")


def test_every_way_that_is_installed_visits_every_page_and_audits_well(shop):
    params, children = shop
    some = [*map(ways.ours, INSTALLED), *map(ways.unpooled, INSTALLED), *ways.elsewhere()]
    side_by_side = SideBySide(some, params, children)
    ticks = []
    for what in ("product", "best-sellers", "deliver", "buy", "select"):
        found = side_by_side.compare(what, 2, 0.02, 1, lambda: ticks.append(1))
        assert list(found) == some
        for figures in found.values():
            assert figures.done >= 2
            assert 0 < figures.median <= figures.longest
    assert len(ticks) == 5 * 2 * len(some)


def test_a_visit_that_fails_ends_the_process_and_says_why(shop, server):
    params, children = shop
    side_by_side = SideBySide([ways.ours(INSTALLED[0])], params, children)
    server.psql("drop table shop_product cascade", dbname=params["dbname"])
    with pytest.raises(ChildFailed):
        side_by_side.compare("deliver", 1, 0.02, 1)
    assert "deliver/ was answered 500" in children.last_words()


def test_django_finds_psycopg2_only_where_psycopg_is_hidden():
    """It would take psycopg, and the figures would be of that."""
    for way in (ways.per_request, ways.persistent, ways.others_pool, ways.never_closed):
        assert way("psycopg2").job({})["hidden"] == ["psycopg"]
        assert way("psycopg").job({})["hidden"] == []
    assert ways.ours("psycopg2").job({})["hidden"] == []


def test_a_way_whose_library_is_missing_is_not_gone(monkeypatch):
    monkeypatch.setattr(ways, "find_spec", lambda module: module in ("django", "psycopg"))
    assert [way.name for way in ways.elsewhere()] == [
        "Django, as it comes, psycopg",
        "Django, CONN_MAX_AGE=None, checks, psycopg",
    ]
