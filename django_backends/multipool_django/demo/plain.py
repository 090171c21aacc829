"""The process without Django: threads that read one row at a time, with and without a pool."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from multipool import Pool, get_driver
from multipool.driver import Driver
from multipool_django.demo import child
from multipool_django.demo.load import Work, in_turn
from multipool_django.demo.scale import PRODUCTS


def main() -> None:
    """Do the job's transactions in both ways in turn and tell the figures."""
    job = child.job()
    driver = get_driver(job["driver"])
    params = job["params"]
    numbers = range(job["clients"])
    with Pool(params["pooled"], driver=driver, name="demo", **job["pool"]) as pool:
        figures = in_turn(
            {
                "unpooled": [_unpooled(driver, params["unpooled"], number) for number in numbers],
                "pooled": [_pooled(pool, number) for number in numbers],
            },
            job["seconds"],
            tick=child.tell,
        )
    child.tell(figures={name: asdict(each) for name, each in figures.items()})


def _unpooled(driver: Driver, params: Mapping[str, Any], number: int) -> Work:
    """Return a worker that connects, reads and closes, as one does without a pool."""
    chance = random.Random(number)

    def work() -> None:
        conn = driver.connect(params, None)
        try:
            _read(conn, chance)
            driver.commit(conn)
        finally:
            driver.close(conn)

    return work


def _pooled(pool: Pool, number: int) -> Work:
    """Return a worker that borrows a connection, reads and gives it back."""
    chance = random.Random(number)

    def work() -> None:
        with pool.connection() as conn:
            _read(conn, chance)

    return work


def _read(conn: Any, chance: random.Random) -> None:
    """Look at one product."""
    cursor = conn.cursor()
    cursor.execute(
        "select name, price, stock from shop_product where id = %s", (chance.randint(1, PRODUCTS),)
    )
    cursor.fetchone()
    cursor.close()


if __name__ == "__main__":
    main()
