"""What is advised follows from what was recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from advise.loads_at_will import load

from multipool.advise.judging import Aim, judge
from multipool.advise.loads import Facts, Server, of_fleet, of_processes
from multipool.advise.queueing import enough
from multipool.advise.words import NOBODY, as_dict, as_text
from multipool.testing import fleets
from multipool.watch.demand import Peak


def advised(*loads, asking=None, server=None, **aim):
    return judge(Facts(loads, asking or {}, server), Aim(**aim))


def of_pool(*loads, **aim):
    [pool] = advised(*loads, **aim).pools
    return pool


def text(*loads, **more):
    return as_text(advised(*loads, **more))


def test_the_load_is_the_rate_times_the_time_held():
    need = of_pool(load(rate=40, held=0.05)).heaviest
    assert (need.rate, need.held, need.offered) == pytest.approx((40, 0.05, 2))


def test_max_size_is_what_the_formula_says_for_it():
    pool = of_pool(load(rate=40, held=0.05))
    assert pool.max_size == enough(2, 0.05, patience=0.1)
    assert pool.certainty == "good"


def test_who_is_less_patient_needs_more():
    sizes = [of_pool(load(), patience=patience).max_size for patience in (1, 0.1, 0.001)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_never_more_than_were_ever_wanted_at_once():
    """Four threads have four connections, however often they ask."""
    pool = of_pool(load(rate=80, held=0.05, variance=0.05, p99=4, most=4))
    assert pool.max_size == 4
    assert "With 4 nobody would have waited." in text(
        load(rate=80, held=0.05, variance=0.05, p99=4, most=4)
    )


def test_the_busiest_process_decides_for_all():
    pool = of_pool(load(0, rate=2), load(1, rate=100, most=30), load(2, rate=2))
    assert pool.heaviest.load.process == "web-1"
    assert pool.max_size == pool.heaviest.connections > of_pool(load(rate=2)).max_size


def test_what_got_no_connection_counts_as_if_it_had():
    [need] = of_pool(load(rate=40, held=0.05, refused=12_000, most=40)).needs
    assert need.offered == pytest.approx(4)
    assert "12,000 checkouts got none" in text(load(refused=12_000, most=40))


def test_a_line_that_the_formula_does_not_explain_is_believed():
    """Ten come at once each minute and hold theirs for a second."""
    figures = {
        "rate": 1 / 6,
        "held": 1.0,
        "variance": 1.5,
        "short": 200 / 60,
        "p99": 10,
        "most": 10,
        "waited": 40,
        "wait_time": 80.0,
        "refused": 0,
    }
    [need] = of_pool(load(max_size=3, **figures), load(1)).needs[:1]
    assert enough(need.offered, need.held, patience=0.1) <= 3
    assert need.connections == 10


def test_a_short_line_that_is_allowed_for_asks_for_no_more():
    [need] = of_pool(load(max_size=4, short=60.0, waited=600, wait_time=6.0, most=12)).needs
    assert need.full
    assert need.connections <= 4
    assert "In 20 % of the time somebody waited, 10 ms on average" in text(
        load(max_size=4, short=60.0, waited=600, wait_time=6.0, most=12)
    )


def test_a_line_while_each_took_long_is_no_reason_for_more():
    slow = load(
        *(0, 8),
        rate=4,
        held=2.0,
        short=250.0,
        waited=1100,
        wait_time=9000.0,
        p99=60,
        most=64,
        counters={"checkouts": 1_000_000, "busy_time": 20_000},
    )
    pool = of_pool(slow)
    assert pool.heaviest.slower == pytest.approx(100)
    assert pool.max_size == 8
    assert "held 100 times as long as on average" in text(slow)


def test_too_little_is_said_to_be_too_little():
    new = replace(load(observed=40.0), peak=None)
    pool = of_pool(new)
    assert (pool.max_size, pool.certainty) == (None, "none")
    assert "too little is known to advise another" in text(new)
    assert "Seen for 40 s" in text(new)


def test_few_checkouts_are_too_little_too():
    assert of_pool(load(rate=0.1)).max_size is None


@pytest.mark.parametrize(
    ("observed", "certainty", "said"),
    [(600, "low", "less than an hour"), (7200, "fair", "less than a day"), (90_000, "good", None)],
)
def test_how_much_is_known_is_said(observed, certainty, said):
    known = load(observed=float(observed))
    assert of_pool(known).certainty == certainty
    assert (said is None) == ("Seen for less" not in text(known))
    assert said is None or said in text(known)


def test_what_no_number_of_connections_mends_is_said():
    told = text(
        load(
            held=1.5,
            rate=2,
            counters={"idle_in_transaction_too_long": 3, "lost": 1, "opened": 1e9},
        )
    )
    assert "to shorten that is worth more" in told
    assert "3 transactions left idle and 1 connection never returned" in told
    assert "min_size, or a longer max_idle" in told


def test_bunches_and_an_even_load_are_told_of():
    assert "varied 3.0 times as by chance" in text(load(variance=6.0))
    assert "as where few threads take turns" in text(load(variance=0.5))


def test_an_application_without_a_process_is_no_application():
    assert as_text(advised()) == NOBODY


# -- the budget ----------------------------------------------------------------------------------


def budget_of(*loads, room=1000, others=0, **more):
    server = Server(room, 0, {"shop": 500, "psql": others})
    [budget] = advised(*loads, server=server, **more).budgets
    return budget


def test_the_budget_is_what_each_needs_and_one_to_ask_by():
    loads = [load(number) for number in range(20)]
    budget = budget_of(*loads)
    assert budget.budget == budget.wanted == 20 * of_pool(loads[0]).max_size + 1
    assert (budget.processes, budget.possible) == (20, 200)


def test_together_they_would_need_less():
    budget = budget_of(*[load(number, rate=2) for number in range(100)])
    assert budget.offered == pytest.approx(10)
    assert budget.least == enough(10, 0.05, patience=0.1) + 1 < budget.wanted == 201


def test_a_process_of_which_too_little_is_known_counts_as_one():
    known = [load(number) for number in range(4)]
    new = [replace(load(number), peak=None) for number in range(4, 7)]
    assert budget_of(*known, *new).wanted == budget_of(*known).wanted + 3


def test_the_server_sets_a_bound_and_it_is_said():
    loads = [load(number) for number in range(20)]
    least = budget_of(*loads).least
    short = budget_of(*loads, room=least + 10, others=5)
    assert (short.budget, short.room) == (least + 5, least + 5)
    server = Server(20, 3, {"psql": 2})
    told = text(*loads, server=server)
    assert "shop, 20 processes together: budget=15" in told
    assert "has room for 15 only" in told
    assert "put PgBouncer in front" in told
    assert "less than one for each process" in told


def test_what_the_server_can_do_at_once_is_a_bound_only_where_it_is_short():
    loads = [load(number, rate=100, most=30) for number in range(4)]
    busy = budget_of(*loads, asking={"shop": 0.5}, cores=4)
    assert (busy.useful, busy.offered) == (18, pytest.approx(20))
    assert busy.budget == 19 < busy.wanted
    idle = budget_of(*loads, asking={"shop": 0.1}, cores=4)
    assert idle.budget == idle.wanted
    assert "it is the server that is short" in text(
        *loads, asking={"shop": 0.5}, cores=4, server=Server(1000, 0, {})
    )


def test_one_process_alone_is_advised_no_budget():
    assert advised(load()).budgets == ()
    assert len(advised(load(0), load(1)).budgets) == 1


# -- where it comes from -------------------------------------------------------------------------


def test_a_fleet_tells_its_pools_its_server_and_what_its_statements_take():
    snapshot = fleets.healthy()
    pools = tuple(
        replace(
            pool,
            observed=90_000.0,
            peak=load().peak,
            counters={**pool.counters, "busy_time": 2000.0},
        )
        for pool in snapshot.pools
    )
    facts = of_fleet(replace(snapshot, pools=pools))
    assert len(facts.loads) == len(snapshot.processes)
    assert facts.asking["shop"] == pytest.approx(
        sum(pool.statements for pool in pools if pool.app == "shop") / (2000.0 * 5)
    )
    assert facts.server.room_for("shop") == 200 - 3 - sum(
        share.connections for share in snapshot.budget.by_application if share.application != "shop"
    )
    told = as_dict(judge(facts, Aim()))
    assert json.loads(json.dumps(told)) == told
    assert [one["app"] for one in told["budgets"]] == ["reports", "shop"]


def test_sessions_of_which_nobody_knows_whose_they_are_are_its_own_as_far_as_its_pools_say():
    server = Server(100, 3, {"(user app)": 60, "psql": 2}, {"shop": 60})
    assert server.room_for("shop") == 95
    assert server.room_for("reports") == 35
    snapshot = fleets.healthy()
    sizes = sum(pool.size for pool in snapshot.pools if pool.app == "shop")
    shares = (replace(snapshot.budget.by_application[0], application="", connections=sizes),)
    unknown = replace(snapshot.budget, by_application=shares)
    assert of_fleet(replace(snapshot, budget=unknown)).server.room_for("shop") == 197


def test_what_statements_take_is_a_part_of_the_time_of_those_pools_that_tell_of_them():
    snapshot = fleets.healthy()
    [told, *others] = [
        replace(pool, counters={"busy_time": 2000.0}, statements=None)
        for pool in snapshot.pools
        if pool.app == "shop"
    ]
    facts = of_fleet(replace(snapshot, pools=(replace(told, statements=500.0), *others)))
    assert facts.asking["shop"] == 0.25
    process = {
        "pid": 7,
        "program": "shop.py",
        "pools": [_told("web", 4.0, 1.0), _told("jobs", 96.0)],
    }
    assert of_processes([process]).asking == {"shop.py": 0.25}


def test_processes_that_are_gone_are_left_out():
    snapshot = fleets.healthy()
    gone = tuple(replace(process, state="gone") for process in snapshot.processes)
    assert of_fleet(replace(snapshot, processes=gone)).loads == []


def _told(name, busy, asked=0.0):
    return {
        "stats": {"name": name, "max_size": None, "checkouts": 12, "busy_time": busy},
        "observed": 80.0,
        "peak": load().peak.as_dict(),
        "queries": {"seconds": asked},
    }


def test_processes_of_this_machine_tell_the_same():
    told = {
        "pid": 7,
        "program": "shop.py",
        "pools": [_told("default", 4.0, 1.0)],
    }
    facts = of_processes([told])
    [found] = facts.loads
    assert (found.app, found.pool, found.max_size) == ("shop.py", "default", None)
    assert found.peak == Peak.from_dict(load().peak.as_dict())
    assert facts.asking == {"shop.py": 0.25}
    assert "now unlimited" in as_text(judge(facts, Aim()))


def test_connections_held_all_the_time_count_though_nobody_checked_one_out():
    pool = load(rate=0, busy=8 * 300.0, variance=0.0, p99=8, most=8)
    assert pool.peak.checkouts == 0
    budget = judge(Facts([pool, load(1)], {}, Server(200, 3, {})), Aim()).budgets[0]
    assert budget.offered == pytest.approx(8 + 2)
    assert budget.wanted == 8 + judge(Facts([load(1)], {}), Aim()).pools[0].needs[0].connections + 1


def test_one_who_holds_its_connections_all_the_time_is_advised_alone_as_well():
    """As one that listens for NOTIFY: in its busiest five minutes nobody checks one out."""
    pool = load(rate=0, busy=300.0, variance=0.0, p99=1, most=1)
    [budget] = judge(Facts([pool], {}, Server(200, 3, {})), Aim()).budgets
    assert (budget.offered, budget.least) == (1.0, 2)


def test_nobody_computes_for_minutes_whatever_a_process_has_told():
    assert enough(1e11, 0.1, patience=0.1) >= 100_000
    told = load(
        rate=2, held=0.5, refused=500, waited=500, wait_time=5e4, p99=10**11, most=10**11 + 1
    )
    assert "max_size=100000000000 (now 10)" in text(told)
