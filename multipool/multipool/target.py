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

    def whereabouts(self) -> dict[str, Any]:
        """Return host, port and database as far as they are known: no user, password or options."""
        shown: dict[str, Any] = {
            k: self._params[k] for k in ("host", "port", "dbname") if k in self._params
        }
        if {"=", "/"} & set(str(shown.get("dbname", ""))):
            shown["dbname"] = "***"  # libpq reads a whole DSN there, password and all
        return shown

    def __str__(self) -> str:
        """Say where in a few words."""
        if self._source is not None:
            return "(from a callable)"
        return " ".join(f"{k}={v}" for k, v in self.whereabouts().items()) or "(defaults)"

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
        self.address = tuple(
            str(params.get(name, "")) for name in ("service", "host", "hostaddr", "port", "dbname")
        )
        self.application = params.get("application_name") or os.environ.get("PGAPPNAME")
        return params
