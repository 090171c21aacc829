"""``OPTIONS["server_side_binding"]``: who puts the parameters into a statement."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

NAME = "server_side_binding"


def bind_as_asked(driver: str, alias: str, options: dict[str, Any], params: dict[str, Any]) -> None:
    """Change the connection's *params* to what *options* ask for, where Django does not.

    psycopg is Django's own business, pg8000 has a parameter ``binding`` for it, and psycopg2
    knows only one way. Raises `ImproperlyConfigured` for what the driver cannot do.
    """
    wanted = options.get(NAME)
    if wanted is None:
        return
    where = f'DATABASES[{alias!r}]["OPTIONS"][{NAME!r}]'
    if not isinstance(wanted, bool):
        raise ImproperlyConfigured(f"{where} is {wanted!r}; it must be True or False")
    if driver == "psycopg2" and wanted:
        raise ImproperlyConfigured(
            f"{where}: psycopg2 puts parameters in on the client's side only; allowed: False,"
            " or another ENGINE (multipool_django.psycopg, multipool_django.pg8000)"
        )
    if driver == "pg8000":
        if "binding" in options:
            raise ImproperlyConfigured(f'{where} and "binding" say the same; give one of them')
        params["binding"] = "server" if wanted else "client"
