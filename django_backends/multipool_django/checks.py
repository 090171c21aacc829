"""System checks of the settings of pooled aliases; `multipool_django.wrapper` registers them.

They connect to nothing. What only the server can tell is asked by `validation`.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.signals import connection_created

from multipool.config import WITHOUT_EFFECT
from multipool_django import processes
from multipool_django.engines import ENGINES, PREFIX
from multipool_django.ranges import check_ranges


def check_pooled_aliases(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return what is wrong or surprising in the settings. Connects to nothing."""
    found = [message for alias in connections for message in _check_alias(alias)]
    try:
        processes.count()
    except ImproperlyConfigured as error:
        found.append(Error(str(error), id="multipool.E003"))
    return found


def _check_alias(alias: str) -> list[CheckMessage]:
    where = f"DATABASES[{alias!r}]"
    try:
        wrapper: Any = connections[alias]
    except ImproperlyConfigured as error:
        return [_engine_missing(str(error), where)] if _is_ours(alias) else []
    found = check_ranges(alias, wrapper.driver) if _is_ours(alias) else []
    if not getattr(wrapper, "pooled", False):
        return found
    try:
        wrapper.validate_settings()
    except ImproperlyConfigured as error:
        return [*found, Error(str(error), obj=where, id="multipool.E001")]
    max_age = wrapper.settings_dict["CONN_MAX_AGE"]
    if max_age != 0:
        found.append(_no_effect(max_age, where))
    given = wrapper.settings_dict["OPTIONS"].get("pool")
    useless = WITHOUT_EFFECT.keys() & (given if isinstance(given, dict) else {})
    found += [_useless_option(option, where) for option in sorted(useless)]
    if "POOL_OPTIONS" in wrapper.settings_dict:
        found.append(_another_pools_options(where))
    if wrapper.holds_by_transaction:
        receivers = _receivers_of_others(type(wrapper))
        if receivers:
            found.append(_called_once(receivers, where))
    return found


def _is_ours(alias: str) -> bool:
    engine: str = connections.settings[alias]["ENGINE"]
    return engine.startswith(PREFIX)


def _receivers_of_others(sender: type) -> list[str]:
    """Return who is told of connections that *sender* makes, but for Django and us."""
    live: Any = connection_created._live_receivers(sender)
    names = []
    for receiver in chain.from_iterable(live):
        made = receiver if hasattr(receiver, "__qualname__") else type(receiver)
        if not f"{made.__module__}.".startswith(("django.", PREFIX)):
            names.append(f"{made.__module__}.{made.__qualname__}")
    return sorted(names)


def _engine_missing(reason: str, where: str) -> CheckMessage:
    return Error(
        reason,
        hint=f"multipool has the ENGINEs {', '.join(ENGINES)}. Each needs its driver.",
        obj=where,
        id="multipool.E002",
    )


def _no_effect(max_age: object, where: str) -> CheckMessage:
    return CheckWarning(
        f"CONN_MAX_AGE={max_age!r} has no effect: the connection goes back to its pool at"
        " the end of each request, and stays open there.",
        hint="Remove CONN_MAX_AGE; the pool's max_lifetime and max_idle say how long a"
        ' connection lives. To do without a pool, set OPTIONS["pool"] to False.',
        obj=where,
        id="multipool.W001",
    )


def _another_pools_options(where: str) -> CheckMessage:
    return CheckWarning(
        "POOL_OPTIONS has no effect: it is django-db-connection-pool's.",
        hint='Put the options into OPTIONS["pool"] under their names there: max_size for'
        " POOL_SIZE and MAX_OVERFLOW together, max_lifetime for RECYCLE, timeout for TIMEOUT.",
        obj=where,
        id="multipool.W006",
    )


def _called_once(receivers: list[str], where: str) -> CheckMessage:
    return CheckWarning(
        'With hold="transaction" the signal connection_created is sent once for each connection'
        f" of the pool, and not for each request: {', '.join(receivers)}.",
        hint="What they set, every later request finds. If it differs from request to request, as"
        " a tenant does, set it within atomic() or connection.pool.hold(). If it does not, add"
        " multipool.W008 to SILENCED_SYSTEM_CHECKS.",
        obj=where,
        id="multipool.W008",
    )


def _useless_option(option: str, where: str) -> CheckMessage:
    return CheckWarning(
        f"The pool's option {option!r} has no effect: {WITHOUT_EFFECT[option]}.",
        hint="It is psycopg_pool's; remove it.",
        obj=where,
        id="multipool.W007",
    )
