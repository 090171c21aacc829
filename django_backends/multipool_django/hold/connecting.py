"""What Django does when it connects, without a connection."""

from __future__ import annotations

from time import monotonic
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from multipool_django.hold.connection import OnDemandConnection


def connect_on_demand(wrapper: Any) -> None:
    """Put an `OnDemandConnection` where *wrapper*, a `PooledWrapper`, has its connection.

    The rest is what Django's own ``connect`` does to the wrapper, but for the signal, which is
    sent for each connection of the pool (`greeting`). Nothing is checked out, unless the
    server's version must be asked for, or ``AUTOCOMMIT`` is off.
    """
    wrapper.check_settings()
    wrapper.in_atomic_block = False
    wrapper.savepoint_ids = []
    wrapper.atomic_blocks = []
    wrapper.needs_rollback = False
    wrapper.health_check_enabled = wrapper.settings_dict["CONN_HEALTH_CHECKS"]
    max_age = wrapper.settings_dict["CONN_MAX_AGE"]
    wrapper.close_at = None if max_age is None else monotonic() + max_age
    wrapper.closed_in_transaction = False
    wrapper.errors_occurred = False
    wrapper.health_check_done = True
    wrapper.connection = OnDemandConnection(wrapper, wrapper.current_pool())
    wrapper.set_autocommit(wrapper.settings_dict["AUTOCOMMIT"])
    # What a subclass does there it does to a connection: see `greeting`.
    BaseDatabaseWrapper.init_connection_state(wrapper)
    wrapper.run_on_commit = []
