"""Fleets that never were: what the dashboard is looked at, tested and measured with.

Each function returns a `Snapshot`; the same arguments return an equal one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from multipool.fleet.snapshot import (
    Application,
    Backend,
    Blocked,
    Budget,
    Holder,
    Host,
    PoolState,
    Process,
    Query,
    Share,
    SharedBudget,
    Snapshot,
    Stack,
    Stake,
    Usage,
    Waiter,
)
from multipool.watch.usage import Kind

_REPORT: Final = (
    "shop/views.py:88 in checkout",
    "shop/urls.py:21 in dispatch",
    "django/core/handlers/base.py:197 in _get_response",
    "django/core/handlers/exception.py:55 in inner",
)
_BROWSE: Final = (
    "shop/views.py:31 in product",
    "django/core/handlers/base.py:197 in _get_response",
)
_BEST_SELLERS: Final = (
    "select p.id, p.name, sum(l.quantity) from shop_line l join shop_product p"
    " on p.id = l.product_id where l.sold_at > %s group by p.id order by 3 desc limit %s"
)
_STATEMENTS: Final = (
    ("select id, name, price from shop_product where id = %s", "shop/views.py:31 in product"),
    (_BEST_SELLERS, "shop/views.py:52 in best_sellers"),
    (
        "update shop_stock set left = left - %s where product_id = %s",
        "shop/views.py:91 in checkout",
    ),
    ("insert into shop_order (customer_id, placed_at) values (%s)", "shop/views.py:89 in checkout"),
    ("select count(*) from shop_order where placed_at > %s", "reports/jobs.py:40 in nightly"),
    ("update shop_product set price = price * %s where id = %s", "reports/jobs.py:44 in rebuild"),
    ("select * from shop_customer where email = %s", "shop/views.py:17 in sign_in"),
    ("delete from django_session where expire_date < %s", "shop/jobs.py:12 in clear_sessions"),
    ("select 1", "shop/health.py:9 in alive"),
    ("notify stock_changed", "shop/stock.py:64 in announce"),
    ("select id, name from shop_category order by name", "shop/views.py:22 in categories"),
)


def empty() -> Snapshot:
    """Return a server to which nobody has reported."""
    return Snapshot(
        taken_at="2026-11-22T03:12:44.120Z",
        took=0.004,
        database="shop",
        server_version="15.14",
        budget=Budget(
            used=1,
            max_connections=100,
            reserved=3,
            by_application=(Share(application="multipool serve", connections=1),),
        ),
        applications=(),
        hosts=(),
        processes=(),
        pools=(),
        holders=(),
        waiters=(),
        queries=(),
        backends=(),
        blocking=(),
        notes=(),
    )


def healthy(processes: int = 6, lent: int = 3) -> Snapshot:
    """Return a shop and its reports, each process with *lent* of 10 connections in use."""
    made = [_process(number) for number in range(processes)]
    pools = [_pool(process, used=(lent + number) % 5) for number, process in enumerate(made)]
    return _fleet(made, pools)


def exhausted() -> Snapshot:
    """Return a shop whose checkout page takes connections and keeps them, idle in transaction."""
    made = [_process(number) for number in range(8)]
    full = [process for process in made if process.app == "shop"][:3]
    pools = []
    holders: list[Holder] = []
    for number, process in enumerate(made):
        if process not in full:
            pools.append(_pool(process, used=number % 4))
            continue
        place = full.index(process)
        pools.append(_pool(process, used=10, waiting=7 - place, oldest_wait=8.2 - 2.4 * place))
        for seat in range(10):
            pid = 4100 + 100 * place + seat
            if seat < 9:
                seconds = 249.0 - 17 * seat - 4 * place
                stacks = (_REPORT, ("shop/views.py:91 in checkout", *_REPORT[1:]), _PAYMENT)
                holders.append(_holder(process, seat, seconds, seconds - 4, pid, *stacks))
            else:
                holders.append(_holder(process, seat, 0.3, None, pid, _BROWSE, _BROWSE, _BROWSE))
    return _fleet(made, pools, holders)


_PAYMENT: Final = (
    "shop/payment.py:47 in authorise",
    "shop/views.py:93 in checkout",
    "urllib/request.py:215 in urlopen",
    "http/client.py:1395 in getresponse",
    "socket.py:718 in readinto",
)


def blocked() -> Snapshot:
    """Return a shop in which a job locked a table and then went on to do something else."""
    made = [_process(number) for number in range(6)]
    job = made[-1]
    nightly = ("reports/jobs.py:40 in nightly", "reports/__main__.py:12 in main")
    upload = ("reports/upload.py:73 in send", *nightly)
    locked = ("reports/jobs.py:44 in rebuild", *nightly)
    holders = [_holder(job, 0, 95.0, 91.0, 5000, nightly, locked, upload)]
    taking = ("shop/views.py:91 in checkout", *_REPORT[1:])
    for seat in range(9):
        process = made[seat % 4]
        seconds = 41.0 - 3 * seat
        holders.append(_holder(process, seat, seconds, None, 5001 + seat, _REPORT, taking, taking))
    deepest = Blocked(pid=5009, seconds=17.0, blocks=())
    rows = tuple(
        Blocked(pid=5001 + seat, seconds=41.0 - 3 * seat, blocks=(deepest,) if seat == 0 else ())
        for seat in range(8)
    )
    tree = Blocked(pid=5000, seconds=91.0, blocks=rows)
    pools = [_pool(process, used=3 if number < 4 else 1) for number, process in enumerate(made)]
    told = _fleet(made, pools, holders)
    backends = tuple(
        replace(
            backend,
            state="active",
            wait_event="Lock: transactionid" if backend.pid < 5009 else "Lock: tuple",
            blocked_by=(5000,) if backend.pid < 5009 else (5001,),
        )
        if backend.pid > 5000
        else backend
        for backend in told.backends
    )
    return replace(told, backends=backends, blocking=(tree,))


def sharing(processes: int = 24, budget: int = 30) -> Snapshot:
    """Return a shop whose processes share so many connections, which are too few just now."""
    made = [
        replace(_process(number), app="shop", host=f"web-{number % 3 + 1:02}")
        for number in range(processes)
    ]
    wants = [(number * 7) % 4 for number in range(processes)]
    kept = 3
    left, stakes = budget - kept, []
    for number, (process, want) in enumerate(zip(made, wants, strict=True)):
        share = min(want, left)
        left -= share
        stakes.append(
            Stake(
                process=process.id,
                app=process.app,
                host=process.host,
                pid=process.pid,
                pool="default",
                want=want,
                cap=share,
                share=share,
                silent=number == processes - 1,
                age=0.2 + number / 40,
            )
        )
    pools = [
        replace(_pool(process, used=stake.cap), share=stake.cap, budget=budget)
        for process, stake in zip(made, stakes, strict=True)
    ]
    shares = tuple(sorted(stakes, key=lambda one: (-one.share, one.host, one.pid)))
    told = _fleet(made, pools)
    shared = SharedBudget(app="shop", budget=budget, kept=kept, stakes=shares)
    return replace(told, budgets=(shared,))


def large(processes: int = 200, connections: int = 2000) -> Snapshot:
    """Return a fleet of so many *processes* that have so many *connections* together.

    One process in twenty has lent all it has, and one in forty is silent.
    """
    each = connections // processes
    made, pools = [], []
    holders: list[Holder] = []
    for number in range(processes):
        silent = number % 40 == 7
        process = replace(
            _process(number, hosts=12),
            state="stale" if silent else "alive",
            age=41.0 if silent else 0.3 + number % 90 / 10,
        )
        full = number % 20 == 3
        used = each if full else (number * 7) % each
        made.append(process)
        pools.append(_pool(process, used, each, waiting=2 * full, oldest_wait=1.7 * full))
        stack = _REPORT if full else _BROWSE
        for seat in range(used):
            idle = 38.0 + seat if full else None
            seconds = 60.0 + number % 20 + seat if full else 0.2
            backend = 10_000 + each * number + seat
            holders.append(_holder(process, seat, seconds, idle, backend, stack, stack, stack))
    told = _fleet(made, pools, holders)
    budget = replace(told.budget, max_connections=3 * connections // 2, reserved=10)
    return replace(told, budget=budget)


def _process(number: int, hosts: int = 3) -> Process:
    app = "reports" if number % 6 == 5 else "shop"
    return Process(
        id=f"00000000-0000-4000-8000-{number:012x}",
        pid=2100 + number,
        app=app,
        host=f"{'job' if app == 'reports' else 'web'}-{number % hosts + 1:02}",
        state="alive",
        uptime=86_400.0 + 3_700 * number,
        age=0.4 + number % 9,
        every=10.0,
        pooler=False,
        detailed=True,
    )


def _pool(
    process: Process, used: int, most: int = 10, waiting: int = 0, oldest_wait: float = 0.0
) -> PoolState:
    idle = min(2, most - used)
    return PoolState(
        process=process.id,
        app=process.app,
        host=process.host,
        name="default",
        driver="psycopg",
        min_size=0,
        max_size=most,
        size=used + idle,
        idle=idle,
        used=used,
        connecting=0,
        waiting=waiting,
        oldest_wait=oldest_wait,
        counters={"checkouts": 120_000, "timeouts": 3 * waiting, "waited": 40 * waiting},
        statements=340.0 + 25 * used,
    )


def _holder(
    process: Process,
    seat: int,
    seconds: float,
    idle: float | None,
    backend: int,
    taken: Stack,
    asked: Stack,
    doing: Stack,
) -> Holder:
    return Holder(
        process=process.id,
        app=process.app,
        host=process.host,
        pool="default",
        thread=f"worker-{seat + 1}",
        seconds=seconds,
        idle_in_transaction=idle,
        opened_at=(),
        checked_out_at=taken,
        query_at=asked,
        doing=doing,
        statement=next((sql for sql, site in _STATEMENTS if site == asked[0]), _STATEMENTS[0][0]),
        backend=backend,
    )


def _fleet(
    processes: list[Process], pools: list[PoolState], holders: list[Holder] | None = None
) -> Snapshot:
    """Return a snapshot in which all adds up."""
    holders = sorted(holders or [], key=lambda holder: -holder.seconds)
    apps = sorted({process.app for process in processes}, reverse=True)
    applications = tuple(_application(app, processes, pools) for app in apps)
    others = (Share(application="psql", connections=2), Share(application="pg_dump", connections=1))
    shares = tuple(Share(application=app.name, connections=app.size) for app in applications)
    return replace(
        empty(),
        took=0.006,
        budget=Budget(
            used=sum(share.connections for share in (*shares, *others)),
            max_connections=200,
            reserved=3,
            by_application=(*sorted(shares, key=lambda share: -share.connections), *others),
        ),
        applications=applications,
        hosts=tuple(
            _host(host, processes, pools) for host in sorted({one.host for one in processes})
        ),
        processes=tuple(processes),
        pools=tuple(pools),
        holders=tuple(holders),
        waiters=tuple(
            Waiter(
                process=pool.process,
                app=pool.app,
                host=pool.host,
                pool=pool.name,
                thread=f"worker-{20 + place}",
                seconds=pool.oldest_wait / (place + 1),
                stack=_REPORT,
            )
            for pool in pools
            for place in range(pool.waiting)
        ),
        queries=_queries(),
        usage=_usages(),
        backends=tuple(map(_backend, holders)),
    )


def _application(app: str, processes: list[Process], pools: list[PoolState]) -> Application:
    ours = [pool for pool in pools if pool.app == app]
    names = {name for pool in ours for name in pool.counters}
    return Application(
        name=app,
        hosts=len({pool.host for pool in ours}),
        processes=len([process for process in processes if process.app == app]),
        stale=len([one for one in processes if one.app == app and one.state == "stale"]),
        pools=len(ours),
        size=sum(pool.size for pool in ours),
        used=sum(pool.used for pool in ours),
        waiting=sum(pool.waiting for pool in ours),
        counters={name: sum(pool.counters.get(name, 0) for pool in ours) for name in names},
    )


def _host(host: str, processes: list[Process], pools: list[PoolState]) -> Host:
    ours = [pool for pool in pools if pool.host == host]
    there = [process for process in processes if process.host == host]
    return Host(
        name=host,
        processes=len(there),
        stale=len([process for process in there if process.state == "stale"]),
        size=sum(pool.size for pool in ours),
        used=sum(pool.used for pool in ours),
        waiting=sum(pool.waiting for pool in ours),
    )


def _backend(holder: Holder) -> Backend:
    idle = holder.idle_in_transaction
    return Backend(
        pid=holder.backend or 0,
        started="2026-11-22 02:58:01.553117+00",
        application=holder.app,
        user="app",
        database="shop",
        client="10.0.3.7",
        state="active" if idle is None else "idle in transaction",
        state_age=idle if idle is not None else 0.1,
        transaction_age=holder.seconds,
        query_age=idle if idle is not None else 0.1,
        wait_event=None if idle is None else "Client: ClientRead",
        blocked_by=(),
        raw_sql=None,
        process=holder.process,
        pool=holder.pool,
    )


def _usages() -> tuple[Usage, ...]:
    found: list[tuple[Kind, str, str, int, float, float]] = [
        ("view", "shop.views.checkout", "/checkout/", 1_204, 31_204.0, 410.0),
        ("command", "rebuild_prices", "", 4, 1_640.0, 4.8),
        ("view", "shop.views.product", "/products/<int:pk>/", 240_311, 2_410.0, 1_830.0),
        ("view", "shop.views.best_sellers", "/", 98_120, 940.0, 610.0),
        ("task", "shop.tasks.send_receipt", "", 11_870, 402.0, 288.0),
        ("view", "shop.views.sign_in", "/sign-in/", 4_410, 61.0, 58.0),
        ("code", "shop.feeds.refresh", "", 2_880, 12.0, 11.4),
    ]
    return tuple(
        Usage(kind, name, route, "request", times, held, held, used, app="shop")
        for kind, name, route, times, held, used in found
    )


def _queries() -> tuple[Query, ...]:
    seconds = [2.0 ** (9 - place) for place in range(len(_STATEMENTS))]
    return tuple(
        Query(
            app="reports" if site.startswith("reports") else "shop",
            statement=statement,
            site=site,
            calls=(place + 1) * 12_345,
            rows=(place + 1) * 40_001,
            errors=3 if place == 2 else 0,
            total=total,
            share=total / sum(seconds),
            mean=total / ((place + 1) * 12_345),
            p50=0.0011,
            p95=0.0043 * (place + 1),
            p99=0.0121 * (place + 1),
        )
        for place, ((statement, site), total) in enumerate(zip(_STATEMENTS, seconds, strict=True))
    )
