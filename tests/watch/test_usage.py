"""What is told of the use that is made of connections."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support import Thread

from multipool import Pool
from multipool.testing.fake import FakeDriver, FakeServer
from multipool.watch.usage import OTHERS, Span, Usage, UsageLog, UsageReport

BOOK = ("view", "book", "/books/<int:pk>/")


def usage(**changes: Any) -> Usage:
    values = {"lasted": 2.1, "held": 2.1, "used": 0.012, "times": 40, **changes}
    kind, name, route = BOOK
    return Usage(**{"kind": kind, "name": name, "route": route, "hold": "request", **values})


def test_a_hint_says_how_long_a_connection_was_held_for_nothing() -> None:
    assert usage().hint == (
        'hold="transaction" would help view book (/books/<int:pk>/): a connection was held for'
        " 2.1 s and used for 12 ms of that, in 40 requests"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"used": 1.8},
        {"times": 2100},
        {"held": 0.5, "used": 0.0},
        {"hold": "transaction"},
    ],
    ids=["it was used", "each was short", "it was not long", "it is in force"],
)
def test_there_is_none_where_little_would_be_gained(changes: dict[str, Any]) -> None:
    assert usage(**changes).hint is None


def test_what_is_told_survives_json_and_adds_up() -> None:
    report = UsageReport([usage(), usage(hold="transaction", held=0.1, used=0.1)])
    told = json.loads(json.dumps(report.as_dict()))
    twice = report + UsageReport.from_dict(told)
    assert [(each.hold, each.times, each.held) for each in twice] == [
        ("request", 80, 4.2),
        ("transaction", 80, 0.2),
    ]
    assert twice[0].lasted == 4.2
    assert [each.hold for each in twice[:1]] == ["request"]


def test_the_table_has_a_heading_for_each_kind_and_ends_with_the_hints() -> None:
    report = UsageReport([usage(), usage(kind="command", name="work", route="", times=1, used=2.0)])
    assert str(report).splitlines() == [
        "requests  lasted   held   used     hold  views",
        "      40   2.1 s  2.1 s  12 ms  request  book (/books/<int:pk>/)",
        "    runs  lasted   held   used     hold  management commands",
        "       1   2.1 s  2.1 s    2 s  request  work",
        report.hints[0],
    ]
    assert len(report.hints) == 1


def test_an_empty_one_is_an_empty_text() -> None:
    assert str(UsageReport(())) == ""


def test_no_more_errands_are_told_apart_than_there_is_room_for() -> None:
    log = UsageLog(most=2)
    for number in range(5):
        log.count(("view", f"view-{number}", ""), "request", 1.0, 1.0, 0.5)
    told = {(each.name, each.times, each.held) for each in log.report(())}
    assert told == {("view-0", 1, 1.0), ("view-1", 1, 1.0), (OTHERS[1], 3, 3.0)}
    log.begin_anew()
    assert len(log.report(())) == 0


def test_threads_lose_no_count() -> None:
    log = UsageLog()

    def count() -> None:
        for _ in range(20_000):
            log.count(BOOK, "request", 1.0, 1.0, 1.0)

    threads = [Thread(count) for _ in range(4)]
    for thread in threads:
        thread.outcome(60)
    (told,) = log.report(())
    assert (told.times, told.held) == (80_000, 80_000.0)


@pytest.fixture
def pool() -> Any:
    with Pool("", driver=FakeDriver(FakeServer()), queries=True) as made:
        yield made


def a_span(pool: Pool, conn: Any) -> Span:
    assert pool._inner.usage_log is not None
    span = Span(conn._multipool_sight, pool._inner.usage_log)
    span.start(conn._multipool_slot.serial, BOOK)
    return span


def test_a_lease_that_lasts_is_told_of_before_it_ends(pool: Pool) -> None:
    with pool.connection() as conn:
        slot = conn._multipool_slot
        slot.span = a_span(pool, conn)
        conn.cursor().execute("select 1")
        (told,) = pool.usage()
        assert told.times == 1
        assert 0 < told.used < told.held
        slot.span.begin()
        idle = told.held - told.used
        (later,) = pool.usage()
        # Whatever passes within a transaction is use.
        assert later.held - later.used < idle + (later.held - told.held)
    assert len(pool.usage()) == 0


def test_what_the_session_was_told_is_use_of_all_the_time(pool: Pool) -> None:
    with pool.connection() as conn:
        span = a_span(pool, conn)
        conn.cursor().execute("set a = b")
        held, used = span.so_far(conn._multipool_slot)
        assert held == used


def test_a_pool_that_counts_no_queries_counts_no_use() -> None:
    with Pool("", driver=FakeDriver(FakeServer())) as pool, pool.connection():
        assert len(pool.usage()) == 0
