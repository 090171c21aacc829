"""System checks for the settings of pooled aliases; `multipool_django.wrapper` registers them."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from multipool import PoolConfig, PoolConfigError
from multipool_django import options


def check_pooled_aliases(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return what is wrong or surprising in DATABASES. Connects to nothing."""
    pooled = [wrapper for wrapper in connections.all() if getattr(wrapper, "pooled", False)]
    return [message for wrapper in pooled for message in _check_alias(wrapper)]


def _check_alias(wrapper: BaseDatabaseWrapper) -> list[CheckMessage]:
    try:
        PoolConfig.from_options(options.read(wrapper.alias, wrapper.settings_dict))
    except (ImproperlyConfigured, PoolConfigError) as error:
        return [Error(str(error), obj=f"DATABASES[{wrapper.alias!r}]", id="multipool.E001")]
    max_age = wrapper.settings_dict["CONN_MAX_AGE"]
    if max_age == 0:
        return []
    return [
        CheckWarning(
            f"CONN_MAX_AGE={max_age!r} has no effect: the connection goes back to its pool at"
            " the end of each request, and stays open there.",
            hint="Remove CONN_MAX_AGE; the pool's max_lifetime and max_idle say how long a"
            ' connection lives. To do without a pool, set OPTIONS["pool"] to False.',
            obj=f"DATABASES[{wrapper.alias!r}]",
            id="multipool.W001",
        )
    ]
