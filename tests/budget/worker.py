"""A process whose threads use a pool as they are told, for tests and the benchmark.

``worker.py '{"params": ..., "driver": ..., "options": ..., "threads": 10}'``, then a line of
JSON for each command, answered with one: ``["load", n, seconds]`` lets so many threads run
queries that take so long, ``["tell"]`` says what was done since it was asked last.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from multipool import Pool, PoolError


class Load:
    """Threads that run one query after another, as many as wanted."""

    def __init__(self, pool: Pool, threads: int) -> None:
        self._pool = pool
        self._changed = threading.Condition()
        self._active = 0
        self._seconds = 0.0
        self._begin()
        for number in range(threads):
            threading.Thread(target=self._work, args=(number,), daemon=True).start()

    def _begin(self) -> None:
        self._done, self._longest, self._errors = [0] * 64, [0.0] * 64, []

    def set(self, active: int, seconds: float) -> dict[str, Any]:
        with self._changed:
            self._active, self._seconds = active, seconds
            self._changed.notify_all()
        return {"pid": os.getpid()}

    def tell(self) -> dict[str, Any]:
        done, longest, errors = self._done, self._longest, self._errors
        self._begin()
        stats = self._pool.stats()
        return {
            "done": sum(done),
            "longest": max(longest),
            "errors": errors,
            "size": stats.size,
            "waiting": stats.waiting,
        }

    def _work(self, number: int) -> None:
        while True:
            with self._changed:
                while number >= self._active:
                    self._changed.wait()
            began = time.perf_counter()
            try:
                with self._pool.connection() as conn:
                    conn.cursor().execute(f"select pg_sleep({self._seconds})")
            except PoolError as error:
                self._errors.append(str(error))
            else:
                self._done[number] += 1
            self._longest[number] = max(self._longest[number], time.perf_counter() - began)


def main() -> None:
    told = json.loads(sys.argv[1])
    with Pool(told["params"], driver=told["driver"], **told["options"]) as pool:
        load = Load(pool, told["threads"])
        print(json.dumps({"pid": os.getpid()}), flush=True)
        for line in sys.stdin:
            command, *arguments = json.loads(line)
            answer = {"load": load.set, "tell": load.tell}[command](*arguments)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
