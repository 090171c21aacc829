"""``multipool advise``."""

from __future__ import annotations

import json

import pytest
from fleet_store import OPS, beat

from multipool import cli
from multipool.advise import command
from multipool.fleet.detail import MOST
from multipool.testing.server import uri
from multipool.watch.process import describe_pool


@pytest.fixture
def run(driver, store, capsys):
    """Run it on this database and driver; return its status and what it prints."""

    def run(*arguments):
        dsn = uri({**store.params, "user": OPS})
        status = cli.main(["advise", f"--fleet={dsn}", "--driver", driver.name, *arguments])
        told = capsys.readouterr()
        return status, told.out.strip(), told.err.strip()

    return run


def see(pool, used, seconds):
    """Let the pool have been seen with *used* lent for so long."""
    pool._inner.demand._add(used, 0, seconds)


def test_it_advises_from_what_the_fleet_has_told(run, make_pool, store):
    pool = make_pool(store, name="default", max_size=7)
    for _ in range(200):
        pool.putconn(pool.getconn())
    see(pool, 0, 60)
    see(pool, 1, 30)
    beat(pool)
    status, out, _ = run()
    assert status == 0
    assert "shop, pool 'default' in 1 process: max_size=1 (now 7)" in out
    assert "shop, 1 process together: budget=2" in out
    _, out, _ = run("--json", "--wait", "0.5", "--cores", "3")
    told = json.loads(out)
    assert (told["patience"], told["cores"]) == (0.5, 3)
    [found] = told["pools"]
    assert (found["max_size"], found["now"], found["certainty"]) == (1, [7], "low")
    assert found["heaviest"]["peak"]["checkouts"] >= 200
    assert found["why"]


def test_the_time_of_all_statements_is_told_however_many_there_are(make_pool, store, look):
    pool = make_pool(store, name="default", queries=True)
    with pool.connection() as conn:
        for number in range(MOST + 10):
            conn.cursor().execute(f"select 1 as column_{number}")
    assert len(pool.queries()) == MOST + 10
    beat(pool)  # though nobody looks, so that no single one is told
    [told] = look().pools
    assert told.statements == pytest.approx(pool.queries().seconds, abs=1e-5)


def test_it_says_that_too_little_is_known(run, make_pool, store):
    beat(make_pool(store, name="default", max_size=7))
    status, out, _ = run()
    assert status == 0
    assert "max_size=7, and too little is known to advise another" in out


def test_one_application_may_be_asked_for(run, make_pool, store):
    beat(make_pool(store, name="default"))
    beat(make_pool(store, name="other", fleet={"app": "reports", "every": 600}))
    _, out, _ = run("--app", "reports")
    assert "reports" in out
    assert "shop" not in out
    status, _, err = run("--app", "nobody")
    assert (status, err) == (1, "multipool advise: --app nobody: there are reports, shop")


def test_without_a_fleet_the_processes_of_this_user_are_asked(
    make_pool, store, capsys, monkeypatch
):
    pool = make_pool(store, name="default", max_size=3)
    pool.putconn(pool.getconn())
    process = {"pid": 7, "program": "shop.py", "pools": [describe_pool(pool)]}
    monkeypatch.setattr(command, "ask", lambda: ([process], 0))
    assert cli.main(["advise"]) == 0
    assert "shop.py, pool 'default' in 1 process: max_size=3" in capsys.readouterr().out


def test_where_nobody_answers_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(command, "ask", lambda: ([], 0))
    assert cli.main(["advise"]) == 1
    assert "nothing is known of any pool" in capsys.readouterr().out


def test_it_says_how_many_did_not_answer(make_pool, store, capsys, monkeypatch):
    pool = make_pool(store, name="default", max_size=3)
    process = {"pid": 7, "program": "shop.py", "pools": [describe_pool(pool)]}
    monkeypatch.setattr(command, "ask", lambda: ([process], 2))
    assert cli.main(["advise"]) == 0
    first, _, rest = capsys.readouterr().out.partition("\n\n")
    assert first.startswith("2 of this user's processes did not answer")
    assert rest.startswith("shop.py, pool 'default'")
    assert cli.main(["advise", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["silent"] == 2
    assert cli.main(["advise", "--app", "mail"]) == 1
    assert "there are shop.py; 2 of this user's" in capsys.readouterr().err
    monkeypatch.setattr(command, "ask", lambda: ([], 1))
    assert cli.main(["advise"]) == 1
    told = capsys.readouterr().out
    assert "1 of this user's processes did not answer" in told
    assert "nothing is known of any pool" in told


def test_it_says_which_of_the_fleet_are_left_out_or_counted_by_what_they_told_last(
    run, make_pool, store
):
    for app in ("shop", "mail", "reports"):
        beat(make_pool(store, name="default", fleet={"app": app, "every": 600}))
    store.psql(
        "update multipool.process set beat_at = now() - every_s * case app when 'shop' then"
        " interval '1 s' when 'mail' then interval '4 s' else interval '11 s' end"
    )
    status, out, _ = run()
    assert status == 0
    first, second, *_ = out.splitlines()
    assert first.startswith("Left out: 1 process of reports silent for 10 beats or more, which")
    assert second == "Counted by what they told last: 1 process of mail silent for 3 beats or more."
    told = json.loads(run("--json")[1])
    assert (told["gone"], told["stale"]) == ({"reports": 1}, {"mail": 1})
    assert run("--app", "shop")[1].startswith("shop, pool")
    status, _, err = run("--app", "reports")
    assert status == 1
    assert "--app reports: there are mail, shop; Left out: 1 process of reports" in err


@pytest.mark.parametrize("option", ["--wait=0", "--wait=61", "--cores=0"])
def test_an_option_out_of_bounds_is_refused(option, capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(["advise", option])
    assert refused.value.code == 2


@pytest.mark.parametrize(
    ("dsn", "here"),
    [
        ("", True),
        ("postgresql:///shop", True),
        ("host=/run/postgresql", True),
        ("postgresql://app@127.0.0.1/shop", True),
        ("postgresql://app@db.example/shop", False),
        ("host=db hostaddr=10.1.2.3", False),
        ("host=db.example hostaddr=127.0.0.1", True),
        ("host=/run/postgresql,db.example", False),
        ("host=localhost service=shop", False),
    ],
)
def test_the_processors_are_known_where_the_server_is_on_this_machine(dsn, here, monkeypatch):
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    assert command._is_here(dsn) == here


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
def test_nor_are_they_known_where_the_environment_leads_elsewhere(name, monkeypatch):
    monkeypatch.setenv(name, "db.example")
    assert not command._is_here("dbname=shop")
