"""A process that shows itself to the fleet, for tests to kill, fork and starve.

``worker.py PARAMS DRIVER HOW``: prints ``ready`` once it has beaten, then does as *HOW* says.
"""

from __future__ import annotations

import json
import os
import sys
import time

from multipool import Pool
from multipool.fleet import beating


def has_beaten(pool: Pool) -> bool:
    heart = beating._hearts.get(beating._key(pool._inner))
    return heart is not None and heart._epoch is not None


def use(pool: Pool) -> None:
    with pool.connection() as conn:
        conn.cursor().execute("select 1")


PARAMS, DRIVER, HOW = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
#: Of the module, as a program has it: a function's own would end with the function.
POOL = Pool(PARAMS, driver=DRIVER, fleet={"app": "worker", "every": 1}, name="default")


def main() -> None:
    for _ in range(5):
        use(POOL)
    deadline = time.monotonic() + 10
    while not has_beaten(POOL):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if HOW == "fork":
        child = os.fork()
        use(POOL)
        if child == 0:
            while not has_beaten(POOL):
                time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    if HOW == "fork":
        os._exit(0)


if __name__ == "__main__":
    main()
