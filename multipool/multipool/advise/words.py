"""Advice in sentences, and as plain values for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from multipool.advise.judging import (
    LEAST_CHECKOUTS,
    LEAST_SECONDS,
    Advice,
    Aim,
    BudgetAdvice,
    Certainty,
    Need,
    PoolAdvice,
    is_slower,
)
from multipool.advise.loads import Facts
from multipool.config import UNLIMITED
from multipool.dashboard.words import count, duration, listing, of
from multipool.fleet.snapshot import GONE_AFTER, STALE_AFTER
from multipool.terminal import printable
from multipool.watch.asking import did_not_answer

#: From here on a variation is worth a word.
_BUNCHES: Final = 1.5
_EVEN: Final = 0.6
#: Seconds on average from which leases are long.
_LONG_HELD: Final = 1.0
#: The part of the checkouts that opened a connection, from which it is worth a word.
_OPENED: Final = 0.1

_CERTAINTY: Final[dict[Certainty, str]] = {
    "low": "Seen for less than an hour: ask again after the busiest hour of a usual day.",
    "fair": "Seen for less than a day: the busiest hour may still come.",
}

NOBODY: Final = "nothing is known of any pool"


def as_text(advice: Advice) -> str:
    """Return the advice for a person."""
    unheard = unheard_of(advice)
    parts = ["\n".join(map(printable, unheard))] if unheard else []
    parts += [_paragraph(_of_pool_title(pool), of_pool(pool, advice.aim)) for pool in advice.pools]
    parts += [
        _paragraph(_of_budget_title(budget), of_budget(budget, advice.aim))
        for budget in advice.budgets
    ]
    return "\n\n".join(parts if advice.pools else [*parts, NOBODY])


def unheard_of(told: Advice | Facts) -> list[str]:
    """Return of which processes too little is known, in sentences."""
    found = [did_not_answer(told.silent)] if told.silent else []
    if told.gone:
        found.append(
            f"Left out: {_by_app(told.gone)} silent for {GONE_AFTER} beats or more, which ended"
            " without a word or cannot reach the server. Those that come back need connections too."
        )
    if told.stale:
        found.append(
            f"Counted by what they told last: {_by_app(told.stale)} silent for {STALE_AFTER} beats"
            " or more."
        )
    return found


def _by_app(counted: Mapping[str, int]) -> str:
    return listing(
        [f"{count(number, 'process', 'processes')} of {app}" for app, number in counted.items()]
    )


def as_dict(advice: Advice) -> dict[str, Any]:
    """Return it as plain values, with the sentences written out."""
    return {
        "patience": advice.aim.patience,
        "cores": advice.aim.cores,
        "silent": advice.silent,
        "gone": dict(advice.gone),
        "stale": dict(advice.stale),
        "pools": [{**_plain(one), "why": list(of_pool(one, advice.aim))} for one in advice.pools],
        "budgets": [
            {**asdict(one), "why": list(of_budget(one, advice.aim))} for one in advice.budgets
        ],
    }


def _paragraph(title: str, sentences: Iterator[str]) -> str:
    return "\n".join([printable(title), *(f"  {printable(one)}" for one in sentences)])


# -- one pool ------------------------------------------------------------------------------------


def _of_pool_title(pool: PoolAdvice) -> str:
    name = f"{pool.app}, pool {pool.pool!r} in {count(pool.processes, 'process', 'processes')}"
    now = listing([UNLIMITED if size is None else str(size) for size in pool.now])
    if pool.max_size is None:
        return f"{name}: max_size={now}, and too little is known to advise another"
    if pool.now == (pool.max_size,):
        return f"{name}: max_size={now} is right"
    return f"{name}: max_size={pool.max_size} (now {now})"


def of_pool(pool: PoolAdvice, aim: Aim) -> Iterator[str]:
    """Yield why, in sentences."""
    need = pool.heaviest
    if pool.max_size is None or need is None:
        yield _too_little(pool)
        return
    yield from _load(need, pool.processes)
    yield from _result(need, aim)
    yield _waits(pool)
    yield from _beside(pool, need)
    if pool.certainty in _CERTAINTY:
        yield _CERTAINTY[pool.certainty]


def _too_little(pool: PoolAdvice) -> str:
    longest = max(load.observed for load in pool.loads)
    checkouts = sum(int(load.counted("checkouts")) for load in pool.loads)
    return (
        f"Seen for {duration(longest)}, with {count(checkouts, 'checkout')}: there must be"
        f" {duration(LEAST_SECONDS)} of it, and {LEAST_CHECKOUTS} checkouts within five minutes."
    )


def _load(need: Need, processes: int) -> Iterator[str]:
    peak = need.peak
    whose = "In its" if processes == 1 else f"The busiest is {need.load.process}: in its"
    over = f"until {duration(peak.age)} ago" if peak.age >= 1 else "up to now"
    window = "busiest five minutes" if peak.seconds >= 290 else f"first {duration(peak.seconds)}"
    yield (
        f"{whose} {window} ({over}) {_rate(need.rate)} checkouts a second, each held for"
        f" {_brief(need.held)}, made {need.offered:.2g} connections in use on average: the one"
        " times the other."
    )
    if need.full:
        said = f"In {_percent(peak.short / peak.seconds)} of the time somebody waited"
        if peak.waited:
            said += f", {_brief(peak.wait_time / peak.waited)} on average"
        if peak.refused:
            said += f", and {count(peak.refused, 'checkout')} got none"
        more = "" if need.never_more else ", and more may have been wanted than was seen"
        yield f"{said}; up to {peak.most} were wanted at once{more}."
    else:
        yield (
            f"{peak.p99} were enough for 99 of 100 seconds, and never more than {peak.most} were"
            " seen to be wanted at once."
        )
    if need.burst >= _BUNCHES:
        yield f"They came in bunches: what was wanted varied {need.burst:.1f} times as by chance."
    elif need.burst <= _EVEN:
        yield (
            f"They came evenly: what was wanted varied {need.burst:.1f} times as by chance, as"
            " where few threads take turns."
        )


def _result(need: Need, aim: Aim) -> Iterator[str]:
    if need.full and is_slower(need):
        yield f"By what is usual {need.connections} are enough."
    elif need.never_more:
        yield f"With {need.connections} nobody would have waited."
    else:
        yield (
            f"With {need.connections} about {_percent(need.late(aim.patience))} of the checkouts"
            f" would wait for longer than {duration(aim.patience)} (Erlang's C formula)."
        )


def _waits(pool: PoolAdvice) -> str:
    total = {
        name: sum(load.counted(name) for load in pool.loads)
        for name in ("checkouts", "waited", "wait_time", "timeouts", "rejected")
    }
    gave_up = int(total["timeouts"] + total["rejected"])
    if not total["waited"] and not gave_up:
        return f"So far nobody has waited, in {count(int(total['checkouts']), 'checkout')}."
    said = (
        f"So far {of(int(total['waited']), int(total['checkouts']))} checkouts have waited in line"
    )
    if total["waited"]:
        said += f", {_brief(total['wait_time'] / total['waited'])} on average"
    return f"{said}; {gave_up:,} got none." if gave_up else f"{said}."


def _beside(pool: PoolAdvice, need: Need) -> Iterator[str]:
    """Yield what no number of connections mends."""
    if is_slower(need):
        yield (
            f"Then each was held {need.slower:.0f} times as long as on average: a job of another"
            " kind, a slow server, or a lock. First find out which; against the latter two no"
            " number of connections helps."
        )
    elif need.held >= _LONG_HELD:
        yield (
            f"{_brief(need.held)} is long to hold a connection: to shorten that is worth more than"
            " any number of connections (docs/hold.md)."
        )
    counted = {
        name: sum(load.counted(name) for load in pool.loads)
        for name in ("idle_in_transaction_too_long", "lost", "opened", "checkouts")
    }
    idle, lost = int(counted["idle_in_transaction_too_long"]), int(counted["lost"])
    if idle or lost:
        told = [
            f"{count(idle, 'transaction')} left idle" if idle else "",
            f"{count(lost, 'connection')} never returned" if lost else "",
        ]
        known = listing([one for one in told if one])
        yield f"There were {known}: see which lines of code did that."
    if counted["checkouts"] and counted["opened"] > _OPENED * counted["checkouts"]:
        yield (
            f"{_percent(counted['opened'] / counted['checkouts'])} of the checkouts opened a"
            " connection: min_size, or a longer max_idle, would spare them that."
        )


# -- the budget ----------------------------------------------------------------------------------


def _of_budget_title(budget: BudgetAdvice) -> str:
    processes = count(budget.processes, "process", "processes")
    name = f"{budget.app}, {processes} together"
    if budget.budget is None:
        return f"{name}: too little is known to advise a budget"
    return f"{name}: budget={budget.budget}"


def of_budget(budget: BudgetAdvice, aim: Aim) -> Iterator[str]:
    """Yield why, in sentences."""
    may = "any number of" if budget.possible is None else f"{budget.possible:,}"
    yield f"As they are set, they may open {may} connections."
    if budget.budget is None:
        return
    yield (
        f"If all had their busiest five minutes at once, {budget.offered:.2g} connections would be"
        f" in use on average, and {budget.wanted} are what each needs for itself, added up, and one"
        " by which those ask who have none."
    )
    if budget.least < budget.wanted:
        yield (
            f"{budget.least} would do if each were always where it is wanted. But shares follow the"
            " load by a second or two, so with less than the sum some wait for that long."
        )
    yield from _server(budget)
    yield from _work(budget, aim)
    if budget.budget < budget.processes:
        yield "That is less than one for each process: they will take turns."


def _server(budget: BudgetAdvice) -> Iterator[str]:
    if budget.room is None:
        return
    if budget.room >= budget.wanted:
        yield f"The server has room for {budget.room:,}, beside what others have open now."
    elif budget.room >= budget.least:
        yield f"The server has room for {budget.room:,} only, beside what others have open now."
    else:
        yield (
            f"The server has room for {budget.room:,} only, beside what others have open now, which"
            " is too little: raise its max_connections, or put PgBouncer in front of it."
        )


def _work(budget: BudgetAdvice, aim: Aim) -> Iterator[str]:
    if budget.asking is not None:
        yield (
            f"Statements take {_percent(budget.asking)} of the time that connections are held; for"
            " the rest of it the server has nothing to do for them."
        )
    if aim.at_work is None:
        yield "How much the server can do at once is not known: --cores tells its processors."
        return
    yield (
        f"With {count(aim.cores or 0, 'processor')} it works best for about {aim.at_work} at once"
        " (twice the processors, and one for the disk)."
    )
    if budget.useful is None:
        return
    if budget.offered > budget.useful:
        yield (
            f"{budget.useful} lent connections keep it as busy as it can be: it is the server that"
            " is short. More connections would only make each slower."
        )
    elif budget.wanted > budget.useful:
        yield (
            f"{budget.useful} lent connections keep it as busy as it can be: those beyond spare"
            " waiting for a connection, not for the server."
        )


def _plain(pool: PoolAdvice) -> dict[str, Any]:
    need = pool.heaviest
    heaviest = None
    if need is not None:
        names = ("rate", "held", "offered", "burst", "full", "slower")
        heaviest = {
            "process": need.load.process,
            **{name: getattr(need, name) for name in names},
            "peak": need.peak.as_dict(),
        }
    return {
        "app": pool.app,
        "pool": pool.pool,
        "processes": pool.processes,
        "now": list(pool.now),
        "max_size": pool.max_size,
        "certainty": pool.certainty,
        "observed": max(load.observed for load in pool.loads),
        "heaviest": heaviest,
    }


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _brief(seconds: float) -> str:
    """Return *seconds* with two digits at least: holds are often shorter than a millisecond."""
    if seconds >= 0.1:
        return duration(seconds)
    return f"{seconds * 1000:.2g} ms" if seconds >= 0.001 else f"{seconds * 1e6:.2g} µs"


def _percent(part: float) -> str:
    return f"{part * 100:.2g} %" if part < 0.1 else f"{part * 100:.0f} %"
