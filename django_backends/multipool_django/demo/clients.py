"""The process of the clients: each with one HTTP connection, one request after the other."""

from __future__ import annotations

import http.client
import json
import random
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlencode

from multipool_django.demo import child
from multipool_django.demo.load import in_turn
from multipool_django.demo.scale import CUSTOMERS, PRODUCTS

# Most look, some buy, a few read the best sellers.
LOOK: Final = 0.70
BUY: Final = 0.25

TIMEOUT: Final = 30.0  # seconds for one answer


class Client:
    """Somebody in the shop; the same *number* does the same things in every shop."""

    def __init__(self, port: int, number: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self._chance = random.Random(number)

    def __call__(self) -> None:
        """Look at a product, or buy some, or read the best sellers."""
        what = self._chance.random()
        if what < LOOK:
            self.ask("GET", f"/products/{self._chance.randint(1, PRODUCTS)}/")
        elif what < LOOK + BUY:
            products = self._chance.sample(range(1, PRODUCTS + 1), k=self._chance.randint(1, 3))
            customer = self._chance.randint(1, CUSTOMERS)
            self.ask(
                "POST", "/orders/", [("customer", customer), *(("products", p) for p in products)]
            )
        else:
            self.ask("GET", "/best-sellers/")

    def ask(self, method: str, path: str, form: list[tuple[str, Any]] | None = None) -> bytes:
        """Send one request and return the body of the answer.

        Raises `RuntimeError` unless the answer is 200 or 201.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        self._http.request(method, path, urlencode(form) if form else None, headers)
        answer = self._http.getresponse()
        body = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path} was answered {answer.status} {answer.reason}")
        return body

    def hang_up(self) -> None:
        """Let the next request open a connection of its own."""
        self._http.close()


def main() -> None:
    """Visit the shops of the job in turn; check their books, and tell the figures."""
    job = child.job()
    ports: dict[str, int] = job["ports"]
    shops = {
        name: [Client(port, number) for number in range(job["clients"])]
        for name, port in ports.items()
    }
    figures = in_turn(shops, job["seconds"], tick=child.tell)
    for name, clients in shops.items():
        missing = json.loads(clients[0].ask("GET", "/audit/"))["missing"]
        if missing:
            raise RuntimeError(f"in the {name} shop {missing} pieces are missing from the books")
    child.tell(figures={name: asdict(each) for name, each in figures.items()})


if __name__ == "__main__":
    main()
