"""The table that a person reads, from figures made up for it."""

from __future__ import annotations

import pytest

from multipool_django.demo.load import Figures
from multipool_django.demo.report import Comparison, Report, Way, Workload


def way(per_second: float, connections: int) -> Way:
    return Way(
        Figures(done=1234, per_second=per_second, median=0.0123, longest=0.4567), connections
    )


@pytest.fixture
def report() -> Report:
    comparison = Comparison("psycopg2", "2.9.13", way(411.6, 1234), way(1234.4, 8))
    shop = Workload("A shop:", "requests/s", "connects per request", [comparison])
    plain = Workload("Plain Python:", "transactions/s", "connects per transaction")
    return Report({"PostgreSQL": "18.4"}, {"clients": 24}, {"shop": shop, "plain": plain})


def test_the_ratio_is_pooled_to_unpooled(report):
    (comparison,) = report.workloads["shop"].comparisons
    assert comparison.ratio == pytest.approx(1234.4 / 411.6)


def test_each_way_has_a_row(report):
    lines = report.as_table().splitlines()
    unpooled = next(line.split() for line in lines if "connects per request" in line)
    pooled = next(line.split() for line in lines if line.lstrip().startswith("pooled"))
    assert unpooled[-6:] == ["412", "12.3", "ms", "457", "ms", "1,234"]
    assert pooled[1:] == ["1,234", "3.0x", "12.3", "ms", "457", "ms", "8"]


def test_what_was_not_done_has_no_table(report):
    assert "Plain Python" not in report.as_table()


def test_the_ways_to_a_database_far_away_are_told_with_their_share_of_the_best(report):
    assert "ms away" not in report.as_table()
    report.far = {
        "multipool, psycopg2": Figures(100, 400.0, 0.02, 0.05),
        "Django, as it comes, psycopg2": Figures(20, 100.0, 0.08, 0.1),
    }
    lines = report.as_table().splitlines()
    (django,) = (line for line in lines if "as it comes" in line)
    assert django.split()[-6:] == ["100", "25%", "80.0", "ms", "100", "ms"]


def test_what_is_said_below_a_table_is_of_its_rows(report):
    report.far = {"multipool, psycopg": Figures(100, 400.0, 0.02, 0.05)}
    assert "Two round trips with multipool" in report.as_table()
    assert "Django's own pool" not in report.as_table()
    report.far["Django's own pool, psycopg"] = Figures(50, 200.0, 0.04, 0.1)
    assert "Three with Django's own pool" in report.as_table()


def test_a_failure_is_told_by_driver(report):
    report.failures["pg8000"] = "site ended with status 1\nthe cable is cut"
    assert report.as_table().endswith(
        "pg8000 failed:\n  site ended with status 1\n  the cable is cut"
    )
