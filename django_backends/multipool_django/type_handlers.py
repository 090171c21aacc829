"""hstore and citext, made known to each connection by its own driver.

``django.contrib.postgres`` has one function for it, for the one driver that Django knows
of. With several in a process each connection needs its own driver's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from django.db.backends.signals import connection_created

from multipool_django.primary import CONTRIB
from multipool_django.twin import Twin

SIGNALS: Final = f"{CONTRIB}.signals"

Handler = Callable[..., None]


def dispatch_by_driver() -> None:
    """Have ``django.contrib.postgres`` treat each connection as its driver needs it.

    To call it twice is harmless.
    """
    signals = import_module(SIGNALS)
    djangos: Handler = signals.register_type_handlers
    if djangos.__module__ == __name__:
        return

    def register_type_handlers(connection: Any, **kwargs: Any) -> None:
        driver = getattr(connection, "driver", None)
        handler = djangos if driver is None else _handler(driver)
        handler(connection, **kwargs)
        if driver is not None and "signal" not in kwargs:
            # By a migration that has created an extension. With `hold="transaction"` the signal
            # comes once for each connection, so those that there are would not learn of it.
            _replace_greeted(connection)

    for name in (SIGNALS, f"{CONTRIB}.apps", f"{CONTRIB}.operations"):
        if name in sys.modules:
            vars(sys.modules[name])["register_type_handlers"] = register_type_handlers
    # If the app is ready already, it has connected its own.
    if connection_created.disconnect(djangos):
        connection_created.connect(register_type_handlers)


def _replace_greeted(connection: Any) -> None:
    if connection.pooled and connection.holds_by_transaction:
        connection.pool.drain()


@lru_cache
def _handler(driver: str) -> Handler:
    """Return Django's own function, as the twin for *driver* has it."""
    twin: Twin = import_module(f"multipool_django.{driver}").twin
    names: dict[str, Any] = {"__name__": SIGNALS, "__package__": CONTRIB}
    twin.execute_other(SIGNALS, names)
    signals = import_module(SIGNALS)
    # Shared, since Django clears these caches when it creates an extension.
    for shared in ("get_hstore_oids", "get_citext_oids"):
        names[shared] = getattr(signals, shared)
    handler: Handler = names["register_type_handlers"]
    return handler
