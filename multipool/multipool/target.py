"""Where a pool connects to: a DSN, a dict, or a callable that returns either."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from multipool.driver import Driver
from multipool.errors import PoolConfigError

#: What tells one server and database from another.
Address = tuple[object, ...]

#: What stands before a connection's mark, in its application's name.
TAG: Final = "mp:"
#: PostgreSQL cuts the name there.
_LONGEST_NAME: Final = 63
#: Parameters that tell one server and database from another, and those that people are told.
_TELLING: Final = ("service", "host", "hostaddr", "port", "dbname")
_SHOWN: Final = ("service", "host", "port", "dbname")
_NOWHERE: Final[Mapping[str, Any]] = {}
#: What it makes several characters of, and then cuts.
_UNFIT: Final = re.compile(r"[^ -~]")


class Target:
    """The connection parameters of a pool, checked by its driver."""

    def __init__(self, target: Any, driver: Driver) -> None:
        self._driver = driver
        self._source = target if callable(target) else None
        #: Where it led when somebody asked last, and as whom it introduced itself there.
        self.address: Address = ()
        self.application: str | None = None
        # The address as people are told it; None while nobody has asked.
        self._whereabouts: dict[str, Any] | None = None
        #: Whether each connection's application name ends with a mark of its own, such as
        #: ``mp:0123abcd``, by which it is known behind a pooler.
        self.tagged = False
        #: What stands in the application name of each, of whatever use: `multipool.budget`'s.
        self.mark: str | None = None
        self._params = {} if callable(target) else self._read(target)

    def params(self) -> dict[str, Any]:
        """Return the parameters for one connect; a callable is asked anew each time.

        Raises `PoolConfigError` when the callable's answer is no good, or what it raises.
        """
        params = dict(self._params) if self._source is None else self._read(self._source())
        marks = f" {self.mark}" if self.mark else ""
        if self.tagged:
            marks += f" {TAG}{secrets.token_hex(4)}"
        if marks:
            name = _UNFIT.sub("?", self.application or "")
            params["application_name"] = name[: _LONGEST_NAME - len(marks)] + marks
        return params

    def whereabouts(self) -> Mapping[str, Any]:
        """Return service, host, port and database as they were read last: no user or password.

        Those that are known: of a callable that nobody has asked yet, none. It is the same
        mapping until they are read again.
        """
        return self._whereabouts or _NOWHERE

    def __str__(self) -> str:
        """Say where in a few words."""
        if self._whereabouts is None:
            return "(from a callable)"
        return " ".join(f"{k}={v}" for k, v in self._whereabouts.items()) or "(defaults)"

    def note(self, params: Mapping[str, Any]) -> None:
        """Note where *params* lead; for who knows beforehand what a callable will say."""
        shown = {k: params[k] for k in _SHOWN if k in params}
        if {"=", "/"} & set(str(shown.get("dbname", ""))):
            shown["dbname"] = "***"  # libpq reads a whole DSN there, password and all
        self._whereabouts = shown
        self.address = tuple(str(params.get(name, "")) for name in _TELLING)
        self.application = params.get("application_name") or os.environ.get("PGAPPNAME")

    def _read(self, target: Any) -> dict[str, Any]:
        if isinstance(target, str):
            params = self._driver.parse_dsn(target)
        elif isinstance(target, Mapping):
            params = dict(target)
        else:
            raise PoolConfigError(
                "conninfo must be a string, a dict of parameters, or a callable that returns"
                f" either; got {type(target).__name__}"
            )
        self._driver.check_params(params)
        self.note(params)
        return params
