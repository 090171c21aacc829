"""A site under load: its connections are bounded, and come back clean."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from support import Thread

from multipool.testing.proxy import Proxy

Get = Callable[[str], tuple[int, Any]]


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


def test_50_threads_with_slow_connects_never_have_more_connections_than_max_size(
    make_alias: Callable[..., BaseDatabaseWrapper], params: dict[str, str]
) -> None:
    with Proxy(params, delay=0.02) as proxy:
        through = {"HOST": proxy.params["host"], "PORT": proxy.params["port"]}
        options = {"pool": {"max_size": 5, "timeout": 30}, "application_name": "the site"}
        make_alias(**through, OPTIONS=options)
        count = Count(make_alias("watcher"))

        def request() -> int:
            for _ in range(3):
                with connections["default"].cursor() as cursor:
                    cursor.execute("select 42")
                    answer: int = cursor.fetchone()[0]
                connections["default"].close()
            return answer

        threads = [Thread(request) for _ in range(50)]
        assert [thread.outcome(timeout=60) for thread in threads] == [42] * 50
        assert count.stop() > 10
        assert count.most == 5
        stats = connections["default"].pool.stats()  # type: ignore[attr-defined]
        assert (stats.opened, stats.used, stats.waiting) == (5, 0, 0)
