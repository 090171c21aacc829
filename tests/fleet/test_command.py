"""``multipool fleet``, the option, and the Django app."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fleet_store import APP, OPS, beat

from multipool import Pool, cli
from multipool.errors import PoolConfigError
from multipool.fleet.installing import script
from multipool.testing.fake import FakeDriver, FakeServer
from multipool.testing.server import uri

PROJECT = Path(__file__).with_name("project.py")


@pytest.fixture
def run(driver, capsys):
    """Run ``multipool fleet`` on this driver; return its status and what it prints."""

    def run(*arguments):
        status = cli.main(["fleet", *arguments, "--driver", driver.name])
        told = capsys.readouterr()
        return status, told.out.strip(), told.err.strip()

    return run


def test_it_is_installed_and_tells_what_a_role_may_do(run, bare):
    status, out, _ = run("status", uri(bare.params))
    assert (status, out.partition(":")[0]) == (1, "the fleet is not installed in this database")
    status, out, _ = run("install", uri(bare.params), "--writer", APP, "--reader", OPS)
    assert status == 0
    assert "role postgres owns it: applications should connect as another" in out
    _, out, _ = run("status", uri({**bare.params, "user": APP}))
    assert out.splitlines()[1:] == [
        f"role {APP} may report to it",
        f"role {APP} may not read it",
    ]
    _, out, _ = run("status", uri({**bare.params, "user": OPS}), "--json")
    told = json.loads(out)
    assert (told["writes"], told["reads"], told["sees_all"], told["owns"]) == (
        False,
        True,
        True,
        False,
    )


def test_it_prints_what_it_would_run(run):
    status, out, _ = run("install", "--sql", "--writer", "app")
    assert status == 0
    assert out == script(["app"]).strip()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["show", "--sql"], "--sql is for install, not for show"),
        (["status", "--writer", "app"], "--writer is for install, not for status"),
        (["show", "--reader", "ops"], "--reader is for install, not for show"),
        (["install", "--sql", "--json"], "--json is for what was done, not for --sql"),
    ],
)
def test_an_option_that_means_nothing_there_is_refused(arguments, complaint, capsys):
    assert cli.main(["fleet", *arguments, "host=127.0.0.1 port=1"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"multipool fleet: {complaint}\n")


def test_it_shows_who_holds_what_and_nothing_that_would_move_a_cursor(run, make_pool, store):
    pool = make_pool(store, max_size=1, fleet={"app": "sh\x1bop"})
    beat(pool)
    conn = pool.getconn()
    store.psql("update multipool.process set detail = null")
    pool.putconn(conn)
    status, out, _ = run("show", uri({**store.params, "user": OPS}))
    assert status == 0
    assert "sh?op: 1 processes on 1 hosts, 1 pools, 0 of 1 connections in use, 0 waiting" in out
    _, out, _ = run("show", uri({**store.params, "user": OPS}), "--json")
    assert json.loads(out)["pools"][0]["max_size"] == 1


def test_what_goes_wrong_is_told_in_a_line(run, bare):
    status, _, err = run("show", uri({**bare.params, "user": OPS}))
    assert status == 1
    assert err.endswith("run `multipool fleet install`")
    status, _, err = run("install", uri({**bare.params, "user": APP}))
    assert (status, err.partition(":")[2].strip()[:34]) == (
        1,
        "this role may not install the fleet"[:34],
    )
    status, _, err = run("status", uri({**bare.params, "dbname": "nowhere"}))
    assert status == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "value",
    [
        1,
        "yes",
        None,
        {"app": ""},
        {"every": 0.5},
        {"every": 10**400},
        {"every": "10"},
        {"name": "shop"},
    ],
)
def test_the_option_says_what_it_may_be(value):
    with pytest.raises(PoolConfigError, match=r"option fleet=.*: must be True, False, or a dict"):
        Pool("", driver=FakeDriver(FakeServer()), fleet=value)


def test_a_driver_that_cannot_report_is_refused():
    with pytest.raises(PoolConfigError, match="driver 'fake' cannot report to a fleet"):
        Pool("", driver=FakeDriver(FakeServer()), fleet=True)
    with pytest.raises(PoolConfigError, match="option budget=5: driver 'fake' cannot report"):
        Pool("", driver=FakeDriver(FakeServer()), budget=5)


@pytest.mark.skipif(not find_spec("django"), reason="install Django")
def test_a_django_project_migrates_it_and_shows_itself_under_its_name(driver, bare, look):
    def django(*arguments):
        told = subprocess.run(
            [sys.executable, PROJECT, json.dumps(bare.params), driver.name, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        return told.stdout

    django("migrate", "multipool_fleet")
    assert bare.psql(f"select has_function_privilege('{APP}', 'multipool.beat(jsonb)', 'execute')")
    django("visit")
    assert [app.name for app in look().applications] == ["bookshop"]
    django("migrate", "multipool_fleet", "zero")
    assert bare.psql("select to_regnamespace('multipool')") == ""
