"""The settings that the suite runs with: the ENGINE under test on the server under test."""

from __future__ import annotations

import secrets
from typing import Any

MODULE = "multipool_suite_settings"

# Django's example settings, in the suite's folder, know what else the suite of that very
# version needs; they name SQLite, which goes.
TEXT = """\
from test_sqlite import *

DATABASES = {databases!r}
"""


def render(engine: str, params: dict[str, str], options: dict[str, Any]) -> str:
    """Return the text of a settings module: two aliases, as the suite asks for.

    *params* are libpq's, for a role that may create databases; what is no setting of
    Django's goes with *options* into OPTIONS.
    """
    rest = {**params}
    rest.pop("dbname", None)
    database: dict[str, Any] = {
        name.upper(): rest.pop(name, "") for name in ("host", "port", "user", "password")
    }
    database |= {"ENGINE": engine, "OPTIONS": {**rest, **options}}
    # A server may serve several runs at once.
    run = secrets.token_hex(4)
    names = {alias: f"multipool_suite_{run}_{alias}" for alias in ("default", "other")}
    databases = {alias: {**database, "NAME": name} for alias, name in names.items()}
    return TEXT.format(databases=databases)
