"""Processes that share a budget, and what their server counts meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from multipool.driver import Driver

WORKER: Final = Path(__file__).with_name("budget") / "worker.py"

#: Seconds between two counts.
OFTEN: Final = 0.01


class Worker:
    """One process with one pool, see `worker.py`."""

    def __init__(
        self,
        params: Mapping[str, Any],
        driver: str,
        options: Mapping[str, Any],
        threads: int = 10,
    ) -> None:
        told = {"params": params, "driver": driver, "options": options, "threads": threads}
        self._process = subprocess.Popen(
            [sys.executable, WORKER, json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def ready(self) -> None:
        """Wait until it has started."""
        self._answer()

    def load(self, threads: int, seconds: float = 0.005) -> None:
        """Have so many of its threads run queries of so many seconds from now on."""
        self._ask("load", threads, seconds)

    def tell(self) -> dict[str, Any]:
        """Return what was done since this was asked last."""
        return self._ask("tell")

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.communicate()

    def end(self) -> int:
        """Let it end by itself; return its status."""
        self._process.communicate(timeout=20)
        return self._process.returncode

    def _ask(self, *command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


class Count:
    """How many connections a role has, by the server's own count, every 10 ms."""

    def __init__(self, driver: Driver, params: Mapping[str, Any], role: str) -> None:
        self._driver, self._params, self._role = driver, params, role
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.most = self.looks = 0
        #: What each process had of the budget: the seconds since the beginning, and by pid.
        self.shares: list[tuple[float, dict[int, int]]] = []

    def __enter__(self) -> Count:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        conn = self._driver.connect(self._params, 10)
        conn.autocommit = True
        cursor = conn.cursor()
        began = time.monotonic()
        stakes = bool(self._driver.ask(conn, "select to_regclass('multipool.stake')::text"))
        try:
            while not self._stop.wait(OFTEN):
                cursor.execute(
                    f"select count(*) from pg_stat_activity where usename = '{self._role}'"
                )
                self.most = max(self.most, cursor.fetchone()[0])
                self.looks += 1
                if stakes and self.looks % 50 == 1:
                    cursor.execute("select pid, share from multipool.stake")
                    self.shares.append((time.monotonic() - began, dict(cursor.fetchall())))
        finally:
            self._driver.close(conn)


@contextmanager
def workers(made: list[Worker]) -> Iterator[list[Worker]]:
    """End all of *made*, and those added to it, at the end."""
    try:
        for worker in made:
            worker.ready()
        yield made
    finally:
        for worker in made:
            worker.kill()
