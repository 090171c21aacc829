"""A small program under load that serves ``/metrics`` and its pool's stats; see test_shop.py.

Called with a driver's name and a DSN; writes its port, and then ``quiet`` once its input ends:
then nobody uses the pool any more, and it serves until its second input, a signal, ends it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from multipool import Pool
from multipool.export.prometheus import PoolCollector


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


def main(driver: str, dsn: str) -> None:
    """Work, and answer."""
    pool = Pool(dsn, driver=driver, name="shop", max_size=3, use_time=True)
    registry = CollectorRegistry()
    registry.register(PoolCollector())
    metrics = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return metrics(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(asdict(pool.stats())).encode()]

    stop = threading.Event()
    workers = [threading.Thread(target=_work, args=(pool, stop)) for _ in range(8)]
    for worker in workers:
        worker.start()
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.readline()
        stop.set()
        for worker in workers:
            worker.join()
        print("quiet", flush=True)
        sys.stdin.readline()
        server.shutdown()
    pool.close()


def _work(pool: Pool, stop: threading.Event) -> None:
    while not stop.is_set():
        with pool.connection() as conn:
            conn.cursor().execute("select pg_sleep(0.001)")


if __name__ == "__main__":
    main(*sys.argv[1:])
