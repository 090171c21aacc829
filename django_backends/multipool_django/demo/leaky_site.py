"""A process that serves the shop as `site` does, and loses connections: so that there is a leak.

The mistake is a common one. A thread of one's own reads something, and nobody ends the
transaction or closes the connection that Django opened for it.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from django.db import transaction

from multipool_django.demo import site

#: Seconds between two leaks, and how many there will be: fewer than the pool has connections.
EVERY: Final = 8.0
LEAKS: Final = 3


def count_stock() -> None:
    """Begin to count what is on the shelves, and never come to an end."""
    from multipool_django.demo.shop.models import Product

    transaction.set_autocommit(False)
    Product.objects.count()
    threading.Event().wait()


def leak() -> None:
    """Start a count now and then."""
    for number in range(LEAKS):
        time.sleep(EVERY)
        threading.Thread(target=count_stock, name=f"stock-taking-{number}", daemon=True).start()


def main() -> None:
    """Serve the shop of the job, and leak."""
    threading.Thread(target=leak, name="leak", daemon=True).start()
    site.main()


if __name__ == "__main__":
    main()
