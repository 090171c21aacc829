"""A site under load: its connections are bounded, and come back clean."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from support import Thread

Get = Callable[[str], tuple[int, Any]]


class QuietHandler(WSGIRequestHandler):
    """A handler that leaves no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in http.server
        pass


class QuietServer(ThreadedWSGIServer):
    """A server that leaves the traceback of a broken view to Django."""

    daemon_threads = False  # so that closing the server waits for its threads


@pytest.fixture
def site(make_alias: Callable[..., BaseDatabaseWrapper]) -> Iterator[Get]:
    """Serve the library's pages over HTTP, from a pool of at most 5 connections."""
    from django.core.management import call_command

    options = {"pool": {"max_size": 5, "timeout": 20}, "application_name": "the site"}
    make_alias(OPTIONS=options)
    call_command("migrate", verbosity=0)
    connections.close_all()
    server = QuietServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def get(path: str) -> tuple[int, Any]:
        client = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        try:
            client.request("GET", path, headers={"Connection": "close"})
            answer = client.getresponse()
            body = answer.read()
        finally:
            client.close()
        return answer.status, json.loads(body) if answer.status == 200 else body

    yield get
    server.shutdown()
    thread.join()
    server.server_close()
    call_command("migrate", "library", "zero", verbosity=0)


class Count:
    """Counts, as fast as it can, how many server processes the site has."""

    def __init__(self, watcher: BaseDatabaseWrapper) -> None:
        self.most = 0
        self._done = threading.Event()
        self._thread = Thread(lambda: self._watch(watcher.copy()))

    def _watch(self, watcher: BaseDatabaseWrapper) -> int:
        looks = 0
        with watcher.cursor() as cursor:
            while not self._done.is_set():
                cursor.execute(
                    "select count(*) from pg_stat_activity where application_name = 'the site'"
                )
                self.most = max(self.most, cursor.fetchone()[0])
                looks += 1
        watcher.close()
        return looks

    def stop(self) -> int:
        """Stop, and return how often was looked."""
        self._done.set()
        looks: int = self._thread.outcome()
        return looks


def test_200_requests_by_20_threads_never_have_more_connections_than_max_size(
    site: Get, make_alias: Callable[..., BaseDatabaseWrapper]
) -> None:
    count = Count(make_alias("watcher"))
    clients = [Thread(lambda: [site("/slow/") for _ in range(10)]) for _ in range(20)]
    answers = [answer for client in clients for answer in client.outcome(timeout=60)]
    assert count.stop() > 10
    assert [status for status, _ in answers] == [200] * 200
    assert count.most == 5
    # Every server process that ever served is one of these, so none was replaced either.
    assert len({body["pid"] for _, body in answers}) == 5
    stats = connections["default"].pool.stats()  # type: ignore[attr-defined]
    assert (stats.opened, stats.used, stats.waiting) == (5, 0, 0)


def test_after_a_view_that_raises_in_a_transaction_the_next_finds_a_clean_connection(
    site: Get,
) -> None:
    _, before = site("/state/")
    for _ in range(3):
        status, _ = site("/broken/")
        assert status == 500
        _, state = site("/state/")
        assert state == {**before, "fresh": True, "autocommit": True, "nobodies": 0}
