"""The process that serves the shop over HTTP, by a fixed number of threads."""

from __future__ import annotations

import logging
import socket

import waitress
from django.core.wsgi import get_wsgi_application

from multipool_django.demo import child, settings
from multipool_django.demo.scale import MOST_CLIENTS, THREADS


def main() -> None:
    """Serve the shop of the job until the parent ends it; ``{"port": ...}`` tells it where."""
    settings.configure(**child.job())
    # More clients than threads is the point of it; waitress would warn of each in the queue.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child.tell(port=listener.getsockname()[1])
        waitress.serve(
            get_wsgi_application(),
            sockets=[listener],
            threads=THREADS,
            # Beside the clients' it counts those of its own.
            connection_limit=2 * MOST_CLIENTS,
            _quiet=True,
        )


if __name__ == "__main__":
    main()
