"""The process that visits the shop's pages itself, without HTTP, by threads that stay.

Each thread has what a thread of a server has: its own connection of Django's.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlencode

from multipool_django.demo import child
from multipool_django.demo.load import Figures, Measured
from multipool_django.demo.scale import CUSTOMERS, PRODUCTS
from multipool_django.demo.ways import THREADS

#: Seconds that a request waits for something else.
WAIT: Final = 0.05

Visit = Callable[[random.Random], object]


def main() -> None:
    """Go the way of the job; then do as ordered, and tell each time what came of it."""
    orders = child.orders()
    job = next(orders)
    modules: dict[str, Any] = sys.modules  # typeshed knows only modules there
    for module in job["hidden"]:
        modules[module] = None  # so that it is not found
    from multipool_django.demo import settings

    settings.configure(job["engine"], job["params"], job["pool"], **job["database"])
    visits = {
        "product": _page("GET", _some_product),
        "best-sellers": _page("GET", lambda chance: "/best-sellers/"),
        "deliver": _page("POST", lambda chance: f"{_some_product(chance)}deliver/"),
        "buy": _page("POST", lambda chance: "/orders/", customer=CUSTOMERS, products=PRODUCTS),
        "select": _select(close=job["closes"]),
        "two": _two_queries(wait=0),
        "two-waiting": _two_queries(wait=WAIT),
    }
    threads = [ThreadPoolExecutor(1) for _ in range(THREADS)]
    child.tell(ready=True)
    for order in orders:
        visit = visits[order["what"]]
        figures = _take_turn(threads[: order["number"]], visit, order["seconds"])
        child.tell(figures=asdict(figures))


def _take_turn(threads: list[ThreadPoolExecutor], visit: Visit, seconds: float) -> Figures:
    """Let the *threads* make visits, one after the other, for so many *seconds*."""
    begin = time.perf_counter()

    def repeat(seed: int) -> list[float]:
        chance = random.Random(seed)
        latencies = []
        after = begin
        while after < begin + seconds:
            before = time.perf_counter()
            visit(chance)
            after = time.perf_counter()
            latencies.append(after - before)
        return latencies

    visitors = [thread.submit(repeat, seed) for seed, thread in enumerate(threads)]
    latencies = [latency for each in visitors for latency in each.result()]
    return Measured(time.perf_counter() - begin, latencies).figures()


# -- what there is to do -----------------------------------------------------------------------


def _page(method: str, path: Callable[[random.Random], str], **form: int) -> Visit:
    """Return what visits a page, the fields of its *form* filled in with numbers up to these."""
    from django.core.wsgi import get_wsgi_application

    site = get_wsgi_application()

    def visit(chance: random.Random) -> None:
        fields = {name: chance.randint(1, most) for name, most in form.items()}
        _ask(site, method, path(chance), urlencode(fields).encode())

    return visit


def _ask(site: Any, method: str, path: str, form: bytes) -> None:
    """Ask as a server asks, to the end of the answer. Raises `RuntimeError` if it is no success."""
    told: list[str] = []
    answer = site(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(form)),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(form),
        },
        lambda status, headers: told.append(status),
    )
    b"".join(answer)
    answer.close()
    if not told[0].startswith("2"):
        raise RuntimeError(f"{method} {path} was answered {told[0]}")


def _some_product(chance: random.Random) -> str:
    return f"/products/{chance.randint(1, PRODUCTS)}/"


def _select(*, close: bool) -> Visit:
    """Return what asks by a bare cursor of Django's, and closes the connection or keeps it."""
    from django.db import connection

    def visit(chance: random.Random) -> None:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            cursor.fetchone()
        if close:
            connection.close()

    return visit


def _two_queries(*, wait: float) -> Visit:
    """Return what a request does that has *wait* seconds to wait between its two queries."""
    from django.db import close_old_connections

    from multipool_django.demo.shop.models import Product

    def visit(chance: random.Random) -> None:
        Product.objects.get(pk=chance.randint(1, PRODUCTS))
        if wait:
            time.sleep(wait)
        Product.objects.get(pk=chance.randint(1, PRODUCTS))
        close_old_connections()  # as the signal at a request's end has it

    return visit


if __name__ == "__main__":
    main()
