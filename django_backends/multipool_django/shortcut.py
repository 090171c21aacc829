"""Django's ``connect()`` for when nothing has changed since it was called last.

A request's first query pays for it. What Django works out anew each time, and asks of a
connection that may be a new one, is left out here: the settings are those of the last time, and
a pool lends its connections in the state in which Django had them made.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from django.db.backends.base import base
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils import asyncio


def _found(name: str) -> Any:
    return vars(BaseDatabaseWrapper)[name]


def _djangos(name: str) -> Any:
    """Return Django's own method *name*; None, which is no method, if it was replaced."""
    found = _found(name)
    inside = getattr(found, "__wrapped__", None)
    own = _is_of(asyncio, found) and _is_of(base, inside)
    return found if own else None


def _is_of(module: ModuleType, found: Any) -> bool:
    return getattr(found, "__globals__", None) is vars(module)  # a callable may have none


_ensure_connection: Final = _djangos("ensure_connection")
#: Django's own ``connect()``. Sentry puts one in its place that notes each connect.
connect: Final = _djangos("connect")
# These are what Django decorates so that they look for an event loop, which they do by having an
# error raised where there is none. It takes a fraction of that to ask.
cursor: Final = _djangos("cursor")
close: Final = _djangos("close")
#: What stands behind that look.
close_here: Final[Any] = getattr(close, "__wrapped__", None)
_commit: Final = _found("_commit")
#: Django's own ``_commit``; None, which is no method, if it was replaced.
commit: Final = _commit if _is_of(base, _commit) else None


def ensures(wrapper: Any) -> bool:
    """Return whether ``ensure_connection()`` does nothing where there is a connection.

    pytest-django puts one in its place that refuses the database to those who did not ask.
    """
    return (
        type(wrapper).ensure_connection is _ensure_connection
        and "ensure_connection" not in wrapper.__dict__
    )


# What Django's would call: where a subclass has one of its own, Django's way is gone.
_HOOKS: Final = (
    "check_settings",
    "get_connection_params",
    "get_new_connection",
    "init_connection_state",
    "set_autocommit",
    "_set_autocommit",
    "create_cursor",
    "_prepare_cursor",
    "make_cursor",
    "queries_logged",
    "validate_thread_sharing",
)


def is_open_to(cls: type, ours: type) -> bool:
    """Return whether a wrapper of class *cls* connects just as one of *ours* does.

    And whether it makes cursors so, which Django does in `_prepare_cursor`.
    """
    return _found("_prepare_cursor").__globals__ is vars(base) and all(
        getattr(cls, name) is getattr(ours, name) for name in _HOOKS
    )


def is_straight(wrapper: Any, connect: Any) -> bool:
    """Return whether ``ensure_connection()`` would call our *connect* and do nothing else.

    Django's test cases put their own in the place of either, for a while.
    """
    own, cls = wrapper.__dict__, type(wrapper)
    return (
        cls.ensure_connection is _ensure_connection
        and cls.connect is connect
        and "connect" not in own
        and "ensure_connection" not in own
        and not (wrapper.closed_in_transaction and wrapper.in_atomic_block)
    )


def settle(wrapper: Any, connection: Any) -> None:
    """Take *connection*, and forget what was under way on the last one, as ``connect()`` does."""
    settings = wrapper.settings_dict
    wrapper.in_atomic_block = False
    wrapper.savepoint_ids = []
    wrapper.atomic_blocks = []
    wrapper.needs_rollback = False
    wrapper.health_check_enabled = settings["CONN_HEALTH_CHECKS"]
    wrapper.close_at = 0.0  # long ago: the end of the request gives it back
    wrapper.closed_in_transaction = False
    wrapper.errors_occurred = False
    wrapper.health_check_done = True
    wrapper.connection = connection
    autocommit = settings["AUTOCOMMIT"]
    if connection.autocommit is autocommit:
        wrapper.autocommit = autocommit
    else:
        wrapper.set_autocommit(autocommit)
    if connection_created.receivers:
        connection_created.send(sender=wrapper.__class__, connection=wrapper)
    wrapper.run_on_commit = []
