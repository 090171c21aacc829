"""A forked child tells of its own pools alone, by what was registered before the fork."""

from __future__ import annotations

import os

import pytest

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def in_child(work):
    """Return what *work* returns in a forked child, as text."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:  # noqa: PTH123  # a file descriptor
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_totals_and_histograms_begin_at_nothing_in_a_child(registry, make_pool):
    pool = make_pool(use_time=True)
    for _ in range(3):
        with pool.connection():
            pass

    def work():
        with pool.connection():
            pass
        return [
            registry.get_sample_value(name, {"db_client_connection_pool_name": "shop"})
            for name in (
                "multipool_checkouts_total",
                "multipool_connection_opened_total",
                "db_client_connection_create_time_seconds_count",
                "db_client_connection_use_time_seconds_count",
            )
        ]

    assert in_child(work) == "[1, 1, 1, 1]"
    assert (
        registry.get_sample_value(
            "multipool_checkouts_total", {"db_client_connection_pool_name": "shop"}
        )
        == 3
    )


def test_opentelemetry_is_told_of_a_childs_pools_by_the_child(told, make_pool):
    """What an SDK does with what it had gathered before a fork is the SDK's business."""
    pool = make_pool()
    with pool.connection():
        pass

    def work():
        with pool.connection():
            pass
        with pool.connection():
            pass
        return told()["multipool.checkouts"].data.data_points[0].value

    assert in_child(work) == "2"
