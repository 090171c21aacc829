"""A program that leaks: it takes both connections of its pool, and forgets to return them."""

from __future__ import annotations

import json
import sys
import time

from multipool import Pool


def checkout(pool: Pool) -> object:
    conn = pool.getconn()
    conn.cursor().execute("select 1")
    return conn


def main() -> None:
    params, driver = json.loads(sys.argv[1]), sys.argv[2]
    pool = Pool(params, driver=driver, max_size=2, name="orders", fleet={"app": "shop"})
    forgotten = [checkout(pool), checkout(pool)]
    print(f"forgot {len(forgotten)}", flush=True)
    time.sleep(100)


if __name__ == "__main__":
    main()
