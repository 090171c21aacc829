"""The process of those who stroll in the shops: like `clients`, but with pauses and without end."""

from __future__ import annotations

import random
import threading
import time
from typing import Final

from multipool_django.demo import child
from multipool_django.demo.clients import Client

#: Seconds between two requests of one of them, at most.
PAUSE: Final = 0.5


def main() -> None:
    """Visit the shops of the job until the parent ends it."""
    job = child.job()
    for port in job["ports"]:
        for number in range(job["strollers"]):
            threading.Thread(target=stroll, args=(Client(port, number),), daemon=True).start()
    threading.Event().wait()


def stroll(client: Client) -> None:
    """Ask for one page after the other; look up again where a shop does not answer."""
    while True:
        try:
            client()
        except (OSError, RuntimeError):
            # It may have lost its connection, ended from the page; the next may do better.
            client.hang_up()
        time.sleep(random.uniform(0.1, PAUSE))


if __name__ == "__main__":
    main()
