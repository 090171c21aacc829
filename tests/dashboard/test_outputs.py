"""The same snapshot as JSON and as Prometheus text, by WSGI and by ASGI."""

from __future__ import annotations

import asyncio
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from threading import Event
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from scenes import Made, request
from support import Thread

from multipool.dashboard.asgi import ASGIDashboard
from multipool.dashboard.history import History
from multipool.dashboard.latest import Latest
from multipool.dashboard.metrics import text
from multipool.dashboard.site import Site
from multipool.dashboard.wsgi import WSGIDashboard
from multipool.testing import fleets


def site(**options):
    return Site(
        Made(fleets.exhausted), **{"token": None, "may_end": False, "raw_sql": False, **options}
    )


def test_json_holds_the_verdict_and_the_snapshot():
    told = json.loads(site().answer(request("/snapshot.json")).body)
    assert told["verdict"]["level"] == "bad"
    assert told["verdict"]["sentences"][0].startswith("shop: 3 of 7 pools exhausted")
    assert len(told["snapshot"]["holders"]) == 30
    assert told["error"] is None


def test_prometheus_text_is_in_the_words_of_opentelemetry():
    lines = text(fleets.exhausted(), 0.5).splitlines()
    label = 'app="shop",host="web-01",db_client_connection_pool_name="default"'
    assert f'db_client_connection_count{{{label},db_client_connection_state="used"}} 15' in lines
    assert f"db_client_connection_pending_requests{{{label}}} 7" in lines
    assert 'db_client_connection_timeouts_total{app="shop"} 54' in lines
    assert "multipool_server_max_connections 200" in lines
    assert "multipool_snapshot_age_seconds 0.5" in lines


def test_each_line_of_it_is_well_formed_whatever_a_name_holds():
    odd = replace(fleets.healthy().pools[0], name='a"b\\c\nd}')
    sample = re.compile(r'[a-z_]+(\{([a-z_]+="([^"\\\n]|\\[\\"n])*",?)*\})? [0-9.e+-]+')
    for line in text(replace(fleets.healthy(), pools=(odd,)), 0.5).rstrip("\n").split("\n"):
        assert line.startswith("# ") or sample.fullmatch(line), line


def test_large_counters_keep_all_their_digits():
    healthy = fleets.healthy()
    app = replace(healthy.applications[0], counters={"checkouts": 123_456_789})
    assert 'multipool_checkouts_total{app="shop"} 123456789' in text(
        replace(healthy, applications=(app,)), 0.5
    )


def test_a_pool_without_a_limit_has_no_figure_for_it():
    endless = replace(fleets.healthy().pools[0], max_size=None)
    told = text(replace(fleets.healthy(), pools=(endless,)), 0.5)
    assert "db_client_connection_max{" not in told


def test_it_is_a_wsgi_application_by_the_book():
    environ = {"HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1", "PATH_INFO": "/"}
    environ |= {"QUERY_STRING": "", "SCRIPT_NAME": ""}
    setup_testing_defaults(environ)
    started = []
    body = validator(WSGIDashboard(site()))(environ, lambda *said: started.append(said))
    whole = b"".join(body)
    body.close()
    assert started[0][0] == "200 OK"
    assert b"checkout()" in whole


#: The rest of what an ASGI server says of a request.
ASKED = {
    "type": "http",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 40000),
    "query_string": b"",
}


def ask(application, path="/", method="GET", body=b"", **scope):
    """Ask an ASGI application; return what it sent."""
    parts = [
        {"type": "http.request", "body": body[:3], "more_body": True},
        {"type": "http.request", "body": body[3:]},
    ]
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    asked = {**ASKED, "method": method, "path": path, **scope}
    asyncio.run(application(asked, receive, send))
    return sent


def test_it_is_an_asgi_application_too():
    start, body = ask(ASGIDashboard(site()))
    assert start["status"] == 200
    headers = dict(start["headers"])
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert b"checkout()" in body["body"]


def test_mounted_by_asgi_it_finds_its_pages_whether_the_path_holds_the_root_or_not():
    for path in ("/ops/metrics", "/metrics"):
        start, _ = ask(ASGIDashboard(site()), path, root_path="/ops")
        assert start["status"] == 200


def test_by_asgi_too_other_machines_need_the_token():
    start, body = ask(ASGIDashboard(site()), client=("10.0.0.7", 1))
    assert start["status"] == 403
    assert b"checkout()" not in body["body"]


def test_a_form_that_comes_in_parts_and_cookies_that_come_one_by_one_are_put_together():
    csrf = b"a" * 43
    headers = [
        (b"host", b"localhost"),
        (b"cookie", b"other=1"),
        (b"cookie", b"multipool_csrf=" + csrf),
    ]
    form = b"token=correct-horse-battery&csrf=" + csrf
    application = ASGIDashboard(site(token="correct-horse-battery"))
    start, _ = ask(application, "/sign-in", "POST", form, headers=headers)
    assert start["status"] == 303


def test_of_a_form_whose_sender_leaves_in_the_midst_of_it_nothing_is_done():
    parts = [
        {"type": "http.request", "body": b"csrf=", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    asked = {**ASKED, "method": "POST", "path": "/end"}
    asyncio.run(ASGIDashboard(site(may_end=True))(asked, receive, send))
    assert sent == []


def test_a_server_that_does_not_answer_leaves_the_applications_own_threads_to_it():
    answers = Event()
    silent = Made(lambda: answers.wait() and fleets.healthy())
    dark = ASGIDashboard(Site(silent, token=None, may_end=False, raw_sql=False))
    asked = {**ASKED, "method": "GET", "path": "/"}

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    async def both():
        with ThreadPoolExecutor(1) as only:
            asyncio.get_running_loop().set_default_executor(only)
            page = asyncio.create_task(dark(asked, receive, send))
            while not silent.asked_for_raw:
                await asyncio.sleep(0.01)
            try:
                return await asyncio.wait_for(asyncio.to_thread(str, "ran"), 10)
            finally:
                answers.set()
                await page

    sent = []
    assert asyncio.run(both()) == "ran"
    assert sent[0]["status"] == 200


def test_it_says_yes_to_the_servers_start_and_stop():
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    asyncio.run(ASGIDashboard(site())({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_small_server_serves_it(serve, method):
    parts = urlsplit(serve(fleets.healthy))
    client = HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        client.request(method, "/")
        answer = client.getresponse()
        assert answer.status == 200
        assert bool(answer.read()) is (method == "GET")
    finally:
        client.close()


def test_viewers_share_what_was_read_a_moment_ago():
    reads = []

    def read():
        reads.append(1)
        return fleets.healthy()

    latest = Latest(read, fresh_for=60)
    latest.get()
    assert latest.get().snapshot is not None
    assert len(reads) == 1


def test_what_cannot_be_read_again_stays_and_grows_old():
    healthy = fleets.healthy()
    answers = [healthy]

    def read():
        if not answers:
            raise ConnectionError("no route to host")
        return answers.pop()

    latest = Latest(read, fresh_for=0)
    first = latest.get()
    time.sleep(0.01)
    second = latest.get()
    assert second.snapshot is first.snapshot is healthy
    assert second.error == "ConnectionError: no route to host"
    assert second.age > first.age


@pytest.mark.parametrize("before", [None, fleets.healthy()])
def test_while_one_waits_for_the_server_the_others_are_shown_what_was_before(before):
    asked, answers = Event(), Event()
    reads = [] if before is None else [before]

    def read():
        if reads:
            return reads.pop()
        asked.set()
        answers.wait()
        return fleets.exhausted()

    latest = Latest(read, fresh_for=0, patience=0.1)
    if before:
        latest.get()
    first = Thread(latest.get)
    assert asked.wait(5)
    for _ in range(2):
        second = latest.get()
        assert second.snapshot is before
        assert second.error.startswith("the server has not answered for ")
    answers.set()
    assert first.outcome().snapshot == fleets.exhausted()
    assert latest.get().error is None


def test_the_last_minutes_can_be_drawn_while_somebody_else_adds_to_them():
    history = History()
    history.add(fleets.healthy(), 1.0)

    class Key(tuple):
        __slots__ = ()

        def __hash__(self):  # which is called for each sample
            history.add(fleets.healthy(), 10.0)
            return super().__hash__()

    assert len(history.of(Key(("shop", "default")))) == 1


def test_without_any_snapshot_machines_are_told_by_the_status():
    def never():
        raise ConnectionError("no route to host")

    dark = Site(Made(never), token=None, may_end=False, raw_sql=False)
    for path in ("/", "/snapshot.json", "/metrics"):
        answer = dark.answer(request(path))
        assert answer.status == 503
        assert "no route to host" in answer.body


def test_a_shared_budget_is_told_by_application():
    lines = text(fleets.sharing(), 0.5).splitlines()
    [budget] = fleets.sharing().budgets
    assert 'multipool_fleet_budget_limit{app="shop"} 30' in lines
    assert f'multipool_fleet_budget_shared{{app="shop"}} {budget.shared}' in lines
    assert f'multipool_fleet_budget_wanted{{app="shop"}} {budget.wanted}' in lines
    assert f'multipool_fleet_budget_without_share{{app="shop"}} {budget.without}' in lines
    assert "multipool_fleet_budget_limit{" not in text(fleets.healthy(), 0.5)
