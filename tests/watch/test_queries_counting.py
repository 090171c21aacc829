"""Counting, histograms and reports, without a pool."""

from __future__ import annotations

import gc
import json
import math
import random
import sys
import threading
from types import CodeType, ModuleType

import pytest

from multipool.watch.queries.fingerprints import CHARACTERS, GENERATION, Fingerprints
from multipool.watch.queries.histogram import BUCKETS, Histogram, bucket, middle
from multipool.watch.queries.log import QueryLog, _fingerprints
from multipool.watch.queries.report import Query, QueryReport
from multipool.watch.queries.tally import Tally
from multipool.watch.tracing import More

HERE = (threading.Thread.run.__code__, 0)


def a_query(text: str = "select ?", site: str | None = "shop/views.py:88", **figures) -> Query:
    values = {"calls": 1, "errors": 0, "seconds": 1.0, "rows": 0, "histogram": Histogram({8: 1})}
    return Query(text, site, **{**values, **figures})


def exact(durations: list[float], part: float) -> float:
    """Return a quantile of *durations* by its definition."""
    return sorted(durations)[math.ceil(part * len(durations)) - 1]


def size_of(*roots: object) -> int:
    """Return the bytes of *roots* and of all they lead to, but for code and classes."""
    seen: dict[int, object] = {}
    left = list(roots)
    while left:
        found = left.pop()
        if id(found) not in seen and not isinstance(found, type | CodeType | ModuleType):
            seen[id(found)] = found
            left += gc.get_referents(found)
    return sum(map(sys.getsizeof, seen.values()))


def shapes_of(number: int) -> list[str]:
    """Return statements whose shapes differ by a column and a table."""
    return [
        f"select c{index} from t{index % 7} where id = {{0}} and name = 'n{{0}}' and x in ({{1}})"
        for index in range(number)
    ]


def test_a_hundred_thousand_statements_of_300_shapes_are_300_lines_of_the_right_weight() -> None:
    chance = random.Random(7)
    shapes = shapes_of(300)
    log = QueryLog()
    truth = [0.0] * 300
    durations: dict[int, list[float]] = {index: [] for index in range(300)}
    for number in range(100_000):
        index = min(int(chance.expovariate(1 / 60)), 299)
        statement = shapes[index].format(number, ", ".join("1" * chance.randint(1, 9)))
        seconds = chance.lognormvariate(-6 + index % 5, 1)
        truth[index] += seconds
        durations[index].append(seconds)
        log.executed(statement, HERE, seconds, 1, None)
    report = log.report()
    assert len(report) == sum(map(bool, truth)) == 300
    assert size_of(vars(log), vars(_fingerprints), report) < 10e6
    total = sum(truth)
    for query in report:
        index = int(query.text.split()[1][1:])
        assert query.share == pytest.approx(truth[index] / total, rel=0.02)
        assert query.calls == len(durations[index])
        assert query.p95 == pytest.approx(exact(durations[index], 0.95), rel=0.05)
    assert report.others.calls == 0


def test_what_gives_way_is_light_and_still_counted_in_the_sum() -> None:
    chance = random.Random(11)
    tally = Tally(most=20, surplus=5)
    total = 0.0
    for number in range(30_000):
        heavy = chance.random() < 0.5
        name = f"heavy {chance.randrange(10)}" if heavy else f"light {number}"
        seconds = 1.0 if heavy else 0.001
        total += seconds
        tally.count(name, HERE, seconds, -1, False)
    entries = list(tally.entries.values())
    assert len(entries) <= 25
    assert {entry.text for entry in entries} >= {f"heavy {number}" for number in range(10)}
    assert sum(entry.seconds for entry in entries) + tally.others.seconds == pytest.approx(total)
    assert sum(entry.calls for entry in entries) + tally.others.calls == 30_000


def test_what_goes_on_is_one_execution_as_long_as_all_of_it() -> None:
    tally = Tally(most=1, surplus=0)
    tally.count("select 1", HERE, 0.001, 0, False)
    tally.go_on("select 1", HERE, More(0.001, 2.0, 10, ValueError()))
    (entry,) = tally.entries.values()
    assert (entry.calls, entry.rows, entry.errors, sum(entry.counts)) == (1, 10, 1, 1)
    assert entry.seconds == pytest.approx(2.001)
    assert entry.counts[bucket(2.001)] == 1
    for text in ("select 2", "select 3"):  # the newest has no weight yet, but stays
        tally.count(text, HERE, 5.0, 0, False)
    assert tally.others.calls == 1
    tally.go_on("select 1", HERE, More(2.001, 1.0, 5, None))  # which gave way
    tally.go_on("select 4", HERE, More(0.5, 1.0, 5, None))  # of which nobody knows
    assert tally.others.rows == 20
    assert sum(tally.others.counts) == 1
    assert all(count >= 0 for count in tally.others.counts)


def test_threads_lose_no_count_to_each_other() -> None:
    tally = Tally()

    def count() -> None:
        for number in range(20_000):
            tally.count(f"select {number % 30}", HERE, 0.001, 1, True)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = tally.entries.values()
    for counted in ("calls", "rows", "errors"):
        assert sum(getattr(entry, counted) for entry in entries) == 80_000
    assert sum(sum(entry.counts) for entry in entries) == 80_000


def test_what_threads_put_down_is_counted_once_whoever_counts_it() -> None:
    log = QueryLog()
    log.tally = tally = Tally(most=20, surplus=5)

    def count(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(5_000):
            steady = chance.random() < 0.9
            name = f"steady {chance.randrange(15)}" if steady else f"once {seed} {number}"
            log.fresh.append((name, HERE, 0.001, 1))  # as `Observed` does
            if len(log.fresh) > log.FRESH:
                log.count_fresh()

    threads = [threading.Thread(target=count, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.fresh) <= log.FRESH
    log.report()
    assert not log.fresh
    entries = [*tally.entries.values(), tally.others]
    assert sum(entry.calls for entry in entries) == 20_000
    assert sum(entry.rows for entry in entries) == 20_000
    assert sum(sum(entry.counts) for entry in entries) == 20_000
    assert sum(entry.seconds for entry in entries) == pytest.approx(20)


def test_a_report_tells_of_what_was_put_down_and_not_counted_yet() -> None:
    log = QueryLog()
    log.fresh.append(("select ?", HERE, 0.001, 1))
    (query,) = log.report()
    assert (query.text, query.calls, query.rows) == ("select ?", 1, 1)
    log.fresh.append(("select ?", HERE, 0.001, 1))
    log.begin_anew()
    assert len(log.report()) == 0


def test_a_finaliser_that_executes_something_while_room_is_made_does_not_hang() -> None:
    tally = Tally(most=2, surplus=0)
    for number in range(2):
        tally.count(f"select {number}", HERE, 1.0, 0, False)
    with tally._lock:
        tally.count("select 3", HERE, 1.0, 0, False)
    assert len(tally.entries) == 3
    tally.count("select 4", HERE, 1.0, 0, False)
    assert len(tally.entries) == 3  # two, and the one that has just come in


def test_a_raw_statement_is_not_kept_and_a_shape_is_kept_once() -> None:
    fingerprints = Fingerprints()
    texts = [fingerprints.of(f"select 'hunter{number}'") for number in range(3 * GENERATION)]
    assert set(texts) == {"select ?"}
    assert len(set(map(id, texts[:GENERATION]))) == 1
    assert "hunter" not in repr(vars(fingerprints))
    assert fingerprints.of(b"select 'hunter2'") == "select ?"
    assert fingerprints.of("-- a remark") == "<no statement>"


def test_what_is_kept_of_long_texts_is_bounded_by_their_length() -> None:
    fingerprints = Fingerprints()
    columns = ", ".join(f"column_{number}" for number in range(500))
    for number in range(2_000):
        fingerprints.of(f"select {columns} from table_{number}")
    kept = {*fingerprints.young.values(), *fingerprints._old.values()}
    assert sum(map(len, kept)) < 2.1 * CHARACTERS


@pytest.mark.parametrize("part", [0.5, 0.95, 0.99])
def test_a_quantile_is_off_by_less_than_a_twentieth(part: float) -> None:
    chance = random.Random(5)
    durations = [chance.lognormvariate(-7, 2) for _ in range(5_000)]
    counts = [0] * BUCKETS
    for seconds in durations:
        counts[bucket(seconds)] += 1
    quantile = Histogram.of(counts).quantile(part)
    assert quantile == pytest.approx(exact(durations, part), rel=0.045)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-9, 1e-7, 1e-3, 1.0, 1e3, 1e9, float("inf")])
def test_any_duration_has_a_bucket(seconds: float) -> None:
    index = bucket(seconds) if seconds != float("inf") else BUCKETS - 1
    assert 0 <= index < BUCKETS
    if 1e-7 < seconds < 1e4:
        assert middle(index) == pytest.approx(seconds, rel=0.045)


def test_reports_add_up() -> None:
    one = QueryReport([a_query(seconds=3.0, rows=2), a_query("b", errors=1)])
    other = QueryReport([a_query(), a_query("b", "shop/cron.py:3", seconds=5.0)])
    both = one + other
    assert [(query.text, query.call_site, query.seconds) for query in both] == [
        ("b", "shop/cron.py:3", 5.0),
        ("select ?", "shop/views.py:88", 4.0),
        ("b", "shop/views.py:88", 1.0),
    ]
    assert [query.share for query in both] == [0.5, 0.4, 0.1]
    assert (both.calls, both.seconds) == (4, 10.0)
    assert both[1].calls == both[1].histogram.counts[8] == 2
    assert both[1].rows == 2


def test_what_a_limit_leaves_out_is_told_as_a_sum() -> None:
    report = QueryReport([a_query("a", seconds=6.0), a_query("b", seconds=3.0), a_query("c")])
    short = report.sorted(limit=1)
    assert [query.text for query in short] == ["a"]
    assert (short.others.calls, short.others.seconds, short.others.share) == (2, 4.0, 0.4)
    assert short.seconds == report.seconds == 10.0
    assert "all others" in str(short)
    assert "all others" not in str(report)


def test_a_report_is_sorted_as_asked() -> None:
    slow = a_query("slow", calls=1, seconds=2.0, histogram=Histogram({9: 1}))
    often = a_query("often", calls=9, seconds=3.0, histogram=Histogram({8: 9}))
    report = QueryReport([slow, often])
    firsts = {by: report.sorted(by)[0].text for by in ("total", "calls", "mean", "p95")}
    assert firsts == {"total": "often", "calls": "often", "mean": "slow", "p95": "slow"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "p50"}, "by='p50': must be one of 'total', 'calls', 'mean', 'p95'"),
        ({"limit": -1}, "limit=-1: must be None or an integer of at least 0"),
    ],
)
def test_an_order_that_is_none_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        QueryReport([], **options)


def test_a_report_survives_json() -> None:
    report = QueryReport([a_query(), a_query("b", None, rows=5)], a_query("", None), by="calls")
    again = QueryReport.from_dict(json.loads(json.dumps(report.as_dict())))
    assert list(again) == list(report)
    assert again.others == report.others
    assert (again.by, again.calls, again.seconds) == (report.by, report.calls, report.seconds)
    assert str(again) == str(report)


def test_code_that_is_compiled_anew_each_time_is_one_place() -> None:
    tally = Tally(most=5, surplus=2)
    for _ in range(50):
        code = compile("def rule():\n    pass", "<rule>", "exec")
        tally.count("select ?", (code, 2), 0.001, 1, False)
        tally.go_on("select ?", (code, 2), More(0.001, 0.001, 1, None))
    (entry,) = tally.entries.values()
    assert (entry.calls, entry.rows, tally.others.calls) == (50, 100, 0)
