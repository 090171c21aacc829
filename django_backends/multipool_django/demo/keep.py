"""``multipool demo --keep``: a small fleet to look at, until somebody ends it.

Four processes serve the shop, people stroll in it, one process has a leak, and the page that
shows all of it is served by this one.
"""

from __future__ import annotations

import sys
from typing import Final

from multipool import Pool
from multipool.dashboard import wsgi_app
from multipool.dashboard.server import DashboardServer, listen
from multipool_django.demo.children import Children
from multipool_django.demo.databases import serve
from multipool_django.demo.progress import Progress
from multipool_django.demo.scale import POOL
from multipool_django.demo.signals import Stop

WORKERS: Final = 4
#: Of each worker.
STROLLERS: Final = 3


def keep(driver: str, port: int, progress: Progress, stop: Stop) -> None:
    """Run the fleet on *driver*, and serve the page on *port* until a signal comes.

    Raises `Stopped` then, with nothing left of it, `PoolError` if the port is taken,
    `RuntimeError` if the embedded server cannot be started, and `ChildFailed` if a process of the
    fleet fails before the page is served.
    """
    with (
        listen("127.0.0.1", port) as server,
        stop.held(),
        serve(stop) as databases,
        stop.released(),
        Children(stop) as children,
    ):
        engine = f"multipool_django.{driver}"
        with progress.step("migrating and filling the shelves"):
            params = databases.create("shop")
            children.start("stock", driver=driver, engine=engine, params=params).hear()
            children.end()
            page = databases.install_fleet("shop")
        with progress.step(f"{WORKERS} processes of the shop, one with a leak") as step:
            pool = {**POOL, "fleet": {"app": "shop"}}
            ports = []
            for number in range(WORKERS):
                leaks = number == WORKERS - 1
                job = {"engine": engine, "params": params, "pool": pool}
                site = children.start("leaky_site" if leaks else "site", **job)
                ports.append(site.hear()["port"])
                step.tick()
            children.start("strollers", ports=ports, strollers=STROLLERS)
        _serve(driver, page, server)


def _serve(driver: str, params: dict[str, str], server: DashboardServer) -> None:
    with Pool(params, driver=driver, name="dashboard", max_size=2, timeout=5) as pool:
        server.set_app(wsgi_app(pool, may_end=True))
        print(f"http://{server.address}/", flush=True)
        print("Ctrl-C ends it, and leaves nothing behind.", file=sys.stderr)
        server.serve_forever()
