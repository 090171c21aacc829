"""The shop itself: real pages on a real database, on every installed driver."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from multipool.driver import drivers
from multipool.testing.server import EmbeddedServer

INSTALLED = [name for name in drivers() if find_spec(name)]
VISIT = Path(__file__).with_name("visit_shop.py")


@pytest.fixture(scope="module", params=INSTALLED)
def answers(request: pytest.FixtureRequest, server: EmbeddedServer) -> Iterator[dict[str, Any]]:
    """What the shop answered; that its migrations fit its models was checked before."""
    pytest.importorskip("django")
    name = f"shop_{request.param}"
    server.psql(f"create database {name}")
    params = {**server.params, "dbname": name, "password": ""}
    done = subprocess.run(
        [sys.executable, VISIT, request.param, json.dumps(params)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    server.psql(f"drop database {name} with (force)")


def test_a_product_has_a_page(answers):
    status, page = answers["product"]
    assert status == 200
    assert f"<h1>{answers['name']}</h1>" in page
    assert page.count("<li>") == 3


def test_a_product_that_is_not_there_has_none(answers):
    assert answers["no_such_product"][0] == 404


def test_the_best_sellers_are_ten_with_the_turnover_of_all(answers):
    status, page = answers["best_sellers"]
    assert status == 200
    assert page.count("/products/") == 10
    assert "in all" in page


def test_buying_makes_an_order_and_keeps_the_books(answers):
    status, body = answers["bought"]
    assert status == 201
    assert json.loads(body)["order"] > 0
    before, after = (json.loads(answers[f"audit_{when}"][1]) for when in ("before", "after"))
    assert after["orders"] == before["orders"] + 1
    assert before["missing"] == after["missing"] == 0


def test_a_delivery_is_in_the_books(answers):
    assert answers["delivered"] == [200, '{"delivered": 1}']
    assert answers["delivered_nowhere"] == [200, '{"delivered": 0}']
    assert json.loads(answers["audit_after"][1])["missing"] == 0


def test_a_form_that_is_wrong_is_refused_field_by_field(answers):
    status, body = answers["bad_form"]
    assert status == 400
    assert set(json.loads(body)) == {"customer", "products"}


def test_orders_are_placed_not_read(answers):
    assert answers["get_orders"][0] == 405


def test_when_one_product_is_sold_out_nothing_of_the_order_is_bought(answers):
    status, body = answers["sold_out"]
    assert status == 409
    assert json.loads(body) == {"sold_out": answers["sold_out_name"]}
    assert answers["stock_after"] == answers["stock_before"]
