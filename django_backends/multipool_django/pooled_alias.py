"""An alias of DATABASES: what its settings come to, and the pool they ask for."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper

from multipool import Pool, PoolConfig, get_driver
from multipool.errors import PoolConfigError
from multipool_django import isolation, options, own_connect, startup
from multipool_django.binding import bind_as_asked
from multipool_django.health import HealthCheck
from multipool_django.opening import Opening
from multipool_django.passwords import PasswordOfSubclass
from multipool_django.snapshot import Snapshot
from multipool_django.targets import Target, close_pools, pool_for
from multipool_django.type_handlers import SIGNALS, dispatch_by_driver


class PooledAlias(BaseDatabaseWrapper):
    """Stands in front of Django's own wrapper: knows the pool, and borrows nothing of it."""

    #: The name of the multipool driver, given by each ENGINE.
    driver: ClassVar[str]
    #: The driver's module, or what stands for it.
    Database: ClassVar[Any]
    #: The isolation levels of Django's ``psycopg_any``, given by each ENGINE.
    IsolationLevel: ClassVar[Any]

    isolation_level: Any

    if TYPE_CHECKING:
        # Django's own, which django-stubs leave out.
        def _commit(self) -> None: ...
        def _rollback(self) -> None: ...
        def _close(self) -> None: ...

    # What the settings came to when they were looked at last.
    _seen: Snapshot | None = None

    def __init__(self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__(settings_dict, alias)
        self._configured_max_age = settings_dict.get("CONN_MAX_AGE", 0)

    @property
    def pool(self) -> Pool | None:
        """The `Pool` that this alias's connections come from, made if need be; None without.

        Raises `ImproperlyConfigured` for a wrong ``OPTIONS["pool"]`` or wrong settings.
        """
        if not self.pooled:
            return None
        self._refuse_persistence(self.settings_dict["CONN_MAX_AGE"])
        return self._pool(self._params_to_connect(), self._snapshot())

    def close_pool(self) -> None:
        """Close the pools of this alias, for whatever target, as Django's test runner asks.

        Idle connections are closed at once, others when they come back. The next
        checkout makes a new pool.
        """
        if self.alias != NO_DB_ALIAS:
            close_pools(options.owner(self.alias, self.settings_dict))

    @property
    def pooled(self) -> bool:
        """Whether this alias's connections come from a pool."""
        return self.alias != NO_DB_ALIAS and self.settings_dict["OPTIONS"].get("pool") is not False

    @property
    def holds_by_transaction(self) -> bool:
        """Whether a connection is held only while it is needed (``hold="transaction"``)."""
        return self._snapshot().hold == options.TRANSACTION

    def validate_settings(self) -> None:
        """Raise `ImproperlyConfigured` if no connection could be had with these settings.

        Connects to nothing.
        """
        self.check_settings()
        self._refuse_unknown_time_zone()
        params = self.get_connection_params()
        self._isolation_level()
        self._refuse_persistence(self.settings_dict["CONN_MAX_AGE"])
        with self._as_settings():
            PoolConfig.from_options(options.read(self.alias, self.settings_dict))
            get_driver(self.driver).check_params(params)

    def current_pool(self) -> Pool:
        """Return the pool for the settings as they are now, and note their isolation level.

        Raises as `pool` does.
        """
        return self._find_current_pool(self._params_to_connect())

    def _params_to_connect(self) -> dict[str, Any]:
        """Return what this connects with, a subclass's ``get_new_connection`` included."""
        if own_connect.has_its_own(type(self)):
            return own_connect.final_params(type(self), self.settings_dict, self.alias)
        return self.get_connection_params()

    def get_connection_params(self) -> dict[str, Any]:
        """Return what Django would connect with."""
        return {**self._snapshot().params}

    def _make_params(self) -> dict[str, Any]:
        mine = self.settings_dict
        without = self
        if mine["OPTIONS"].get("pool"):
            # Django's own refuses "pool" unless the driver is psycopg. A copy of the
            # wrapper is asked, since all would see a change to the settings.
            kept = {name: value for name, value in mine["OPTIONS"].items() if name != "pool"}
            without = copy.copy(self)
            without.settings_dict = {**mine, "OPTIONS": kept}
        params: dict[str, Any] = super(PooledAlias, without).get_connection_params()
        bind_as_asked(self.driver, self.alias, mine["OPTIONS"], params)
        return params

    def _find_current_pool(self, params: dict[str, Any]) -> Pool:
        seen = self._snapshot()
        if seen.isolation_level is None:
            seen.isolation_level = self._isolation_level()
        self.isolation_level = seen.isolation_level
        return self._pool(params, seen)

    def _snapshot(self) -> Snapshot:
        seen = self._seen
        if seen is None or not seen.holds(self):
            params = self._make_params()
            hold = options.hold(self.alias, self.settings_dict)
            seen = self._seen = Snapshot(self, params, hold)
        return seen

    def _pool(self, params: dict[str, Any], seen: Snapshot) -> Pool:
        if params != seen.params:  # of a subclass that has its own ideas
            if params.get("password") != seen.params.get("password"):
                # Perhaps a token, good for minutes: each new connection asks for one.
                password = PasswordOfSubclass(type(self), self.settings_dict, self.alias)
                params = {**params, "password": password}
            return self._find_pool(params)
        if seen.pool is None or seen.pool.closed:
            seen.pool = self._find_pool(params)
        return seen.pool

    def _find_pool(self, params: dict[str, Any]) -> Pool:
        if self.holds_by_transaction and SIGNALS in sys.modules:
            dispatch_by_driver()  # whoever had a shared pool made
        target = Target(
            type(self),
            params,
            self.timezone_name,
            self.settings_dict["OPTIONS"].get("assume_role"),
            isolation.own(self.settings_dict["OPTIONS"].get(isolation.NAME), self.IsolationLevel),
            bool(self.settings_dict["CONN_HEALTH_CHECKS"]),
        )
        owner = options.owner(self.alias, self.settings_dict)
        return pool_for(owner, target, lambda: self._make_pool(params))

    def _make_pool(self, params: dict[str, Any]) -> Pool:
        self._refuse_persistence(self._configured_max_age)
        pool_options = options.read(self.alias, self.settings_dict)
        driver = get_driver(self.driver)
        with self._as_settings():
            config = PoolConfig.from_options(pool_options)
            if self.settings_dict["CONN_HEALTH_CHECKS"] and config.check is None:
                pool_options["check"] = HealthCheck(driver, config.check_after)
            pool_options["configure"] = Opening(
                type(self), self.settings_dict, params, config.configure
            )
            driver.check_params(params)  # which the pool does only when it connects
            conninfo = startup.conninfo(params, self.timezone_name)
            pool = Pool(conninfo, driver=driver, **pool_options)
        # So it is known for what it is before it connects: see `management.elsewhere`.
        pool._inner.target.note(params)
        return pool

    def _refuse_persistence(self, max_age: float | None) -> None:
        options.refuse_persistence(self.alias, self.settings_dict, max_age)

    @contextmanager
    def _as_settings(self) -> Iterator[None]:
        """Raise an error of configuration as Django's, with the alias that it is about."""
        try:
            yield
        except PoolConfigError as error:
            raise ImproperlyConfigured(f"DATABASES[{self.alias!r}]: {error}") from error

    def _refuse_unknown_time_zone(self) -> None:
        try:
            self.timezone  # noqa: B018  # which Django looks up once
        except (KeyError, OSError, ValueError) as error:  # whatever `zoneinfo` makes of it
            zone = self.settings_dict["TIME_ZONE"]
            raise ImproperlyConfigured(
                f"DATABASES[{self.alias!r}]: there is no TIME_ZONE {zone!r}"
            ) from error

    def _isolation_level(self) -> Any:
        levels = self.IsolationLevel
        value = self.settings_dict["OPTIONS"].get(isolation.NAME, levels.READ_COMMITTED)
        try:
            return levels(isolation.own(value, levels))
        except ValueError:
            allowed = ", ".join(f"{level.value} ({level.name})" for level in levels)
            raise ImproperlyConfigured(
                f"Invalid transaction isolation level {value} specified. Use one of the"
                f" psycopg.IsolationLevel values. Alias {self.alias!r} allows: {allowed}."
            ) from None
