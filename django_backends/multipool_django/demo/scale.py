"""How big everything is: the shop, the site, the pool."""

from __future__ import annotations

from typing import Final

PRODUCTS: Final = 200
CUSTOMERS: Final = 500
ORDERS: Final = 1_000

#: Pieces of each product: more than the clients can buy, so that nobody is sent away.
DELIVERED: Final = 100_000

#: The most that may be asked for.
MOST_CLIENTS: Final = 200

#: Threads of the site. Fewer than the clients, as in any site under load.
THREADS: Final = 16

#: How far away the database is in the last part: each answer takes twice as long.
DELAY: Final = 0.005  # seconds, each way
FAR_THREADS: Final = 8

#: What the pooled site has as ``OPTIONS["pool"]``. Fewer connections than threads, since a
#: thread spends part of its time in Python.
POOL: Final = {"max_size": 8}
