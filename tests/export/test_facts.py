"""Names, units, kinds and words are the conventions', and no figure of a pool is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from multipool.export.facts import DURATIONS, FIGURES, POOL_NAME, SCHEMA_URL, STATE
from multipool.stats import PoolStats

PACKAGE = "opentelemetry.semconv._incubating"
INSTALL = "pip install opentelemetry-semantic-conventions"

OURS = {
    **{fact.name: (fact.kind.replace("-", "_").replace(" ", "_"), fact) for fact in FIGURES},
    **{fact.name: ("histogram", fact) for fact in DURATIONS},
}


class Meter:
    """Notes which instruments the conventions' own functions make."""

    def __init__(self):
        self.made = {}

    def __getattr__(self, method):
        def create(name, unit, description):
            self.made[name] = (method.removeprefix("create_"), unit, description)

        return create


def conventions():
    """Return the instruments for connection pools, as the conventions' package makes them."""
    metrics = pytest.importorskip(f"{PACKAGE}.metrics.db_metrics", reason=INSTALL)
    meter = Meter()
    for name, function in vars(metrics).items():
        if name.startswith("create_db_client_connection_"):
            function(meter)
    return meter.made


def test_every_metric_that_the_conventions_have_for_pools_is_told_in_their_words():
    made = conventions()
    ours = {name: found for name, found in OURS.items() if name.startswith("db.")}
    assert {
        name: (kind, fact.unit, fact.description) for name, (kind, fact) in ours.items()
    } == made
    assert len(made) == 9


def test_the_attributes_and_states_are_the_conventions():
    attributes = pytest.importorskip(f"{PACKAGE}.attributes.db_attributes", reason=INSTALL)
    assert attributes.DB_CLIENT_CONNECTION_POOL_NAME == POOL_NAME
    assert attributes.DB_CLIENT_CONNECTION_STATE == STATE
    states = {state.value for state in attributes.DbClientConnectionStateValues}
    assert set(OURS["db.client.connection.count"][1].fields) == states


def test_the_schema_is_one_that_there_is():
    schemas = pytest.importorskip("opentelemetry.semconv.schemas", reason=INSTALL)
    assert SCHEMA_URL in {schema.value for schema in schemas.Schemas}


def test_every_figure_of_a_pool_is_told(make_pool):
    """So that what is counted from now on is told too."""
    figures = make_pool().stats().as_dict().keys() - {POOL_NAME, "multipool.driver"}
    assert figures == OURS.keys()


def test_every_fact_is_a_field_of_the_pools_stats():
    fields = set(PoolStats.__dataclass_fields__)
    assert {field for fact in FIGURES for field in fact.fields.values()} <= fields
    assert {f"{fact.what}_times" for fact in DURATIONS} <= fields


def test_a_share_of_a_budget_is_told_where_there_is_one(make_pool):
    stats = make_pool().stats()
    told = {fact.name: fact for fact in FIGURES}
    for name, field in (("multipool.budget.share", "share"), ("multipool.budget.limit", "budget")):
        assert list(told[name].values(stats)) == []
        shared = replace(stats, **{field: 7})
        assert list(told[name].values(shared)) == [({POOL_NAME: "shop"}, 7)]
