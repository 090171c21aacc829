"""One sentence says what is wrong and who did it."""

from __future__ import annotations

from dataclasses import replace

from multipool.dashboard import verdict as verdicts
from multipool.dashboard.suspects import suspects
from multipool.testing import fleets


def verdict(snapshot):
    return verdicts.verdict(snapshot, suspects(snapshot))


def sentences(snapshot):
    return [str(finding) for finding in verdict(snapshot).findings]


def test_an_exhausted_application_is_named_with_the_code_that_holds_its_connections():
    assert verdict(fleets.exhausted()).level == "bad"
    [said] = sentences(fleets.exhausted())
    assert said == (
        "shop: 3 of 7 pools exhausted, 18 waiting, oldest 8.2 s;"
        " 27 of 30 held by checkout() shop/views.py:88, idle in transaction 4 min 5 s"
    )


def test_all_is_well_in_one_sentence():
    assert verdict(fleets.healthy()).level == "ok"
    [said] = sentences(fleets.healthy())
    assert said.startswith("2 applications: 6 pools of 6 processes, ")
    assert said.endswith(" of 60 connections lent, nobody waits")


def test_applications_of_which_only_totals_are_left_are_not_counted_as_well():
    healthy = fleets.healthy()
    over = replace(healthy.applications[0], name="web-7d9f-00001", processes=0, pools=0)
    [said] = sentences(replace(healthy, applications=(*healthy.applications, over)))
    assert said.startswith("2 applications: 6 pools of 6 processes, ")


def test_nobody_having_reported_is_no_good_news():
    assert verdict(fleets.empty()).level == "none"


def test_the_root_of_a_lock_is_named_with_its_line():
    first, *_ = sentences(fleets.blocked())
    assert first == (
        "server: 9 sessions wait for locks, oldest 41 s;"
        " 9 of them behind pid 5000 of reports, rebuild() reports/jobs.py:44"
    )


def test_processes_that_fell_silent_are_counted():
    said = sentences(fleets.large())
    assert "shop: 3 of 167 processes silent, the longest for 41 s; " in " ".join(said)


def test_a_server_that_is_nearly_full_is_a_warning_and_a_full_one_critical():
    healthy = fleets.healthy()
    budget = replace(healthy.budget, max_connections=100, reserved=3)
    nearly = replace(healthy, budget=replace(budget, used=90))
    full = replace(healthy, budget=replace(budget, used=97))
    assert verdict(nearly).level == "watch"
    assert verdict(full).level == "bad"
    assert sentences(full)[0].startswith("server: 97 of 100 connections used, 0 free; ")


def test_exhausted_without_anybody_waiting_is_a_warning():
    calm = fleets.exhausted()
    pools = tuple(replace(pool, waiting=0, oldest_wait=0.0) for pool in calm.pools)
    assert verdict(replace(calm, pools=pools)).level == "watch"


def test_a_pool_that_has_lent_its_whole_share_while_somebody_waits_is_exhausted():
    roomy = fleets.exhausted()
    shared = [
        replace(pool, max_size=100, share=pool.used, budget=60) if pool.exhausted else pool
        for pool in roomy.pools
    ]
    snapshot = replace(roomy, pools=tuple(shared))
    assert "shop: 3 of 7 pools exhausted, 18 waiting" in sentences(snapshot)[0]
    assert len(suspects(snapshot)[0].holders) == 27


def test_a_share_that_is_lent_while_nobody_waits_is_as_it_should_be():
    """It is no more than what the pool has use for."""
    healthy = fleets.healthy()
    pools = tuple(replace(pool, share=pool.used, budget=60) for pool in healthy.pools)
    assert verdict(replace(healthy, pools=pools)).level == "ok"


def test_suspects_are_those_who_hold_for_long_and_those_who_fill_a_pool():
    first, second = suspects(fleets.exhausted())
    assert (first.site, len(first.holders), first.lent) == ("shop/views.py:88 in checkout", 27, 30)
    assert first.longest == first.holders[0].seconds == 249.0
    assert len(second.holders) == 3
    assert suspects(fleets.healthy()) == []


def test_who_keeps_others_waiting_is_the_first_suspect():
    first, *_ = suspects(fleets.blocked())
    assert first.site == "reports/jobs.py:40 in nightly"
    assert first.keeps_waiting == 9


def test_processes_that_lack_a_share_of_their_budget_are_a_warning():
    snapshot = fleets.sharing()
    assert verdict(snapshot).level == "watch"
    assert (
        "shop: 5 of 24 pools wait for a share of the budget;"
        " 27 of 30 connections are given away, 36 wanted"
    ) in sentences(snapshot)
    [budget] = snapshot.budgets
    more = replace(budget, budget=60)
    assert verdict(replace(snapshot, budgets=(more,))).level != "watch"
