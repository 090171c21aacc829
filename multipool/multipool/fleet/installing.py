"""Putting what the fleet needs into a database, and saying who may use it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from multipool.fleet.errors import FleetError

if TYPE_CHECKING:
    from multipool.driver import Driver


#: The SQL that takes it all away again.
REMOVE: Final = "drop schema if exists multipool cascade"


def script(writers: Iterable[str] = (), readers: Iterable[str] = ()) -> str:
    """Return the SQL that installs the fleet; to run it again does no harm.

    Args:
        writers: roles as which applications connect. They may report, and read nothing.
        readers: roles that may read all of it, and what the server knows of its sessions: for
            that they become members of ``pg_read_all_stats``, which a superuser must do.
    """
    parts = [files("multipool.fleet").joinpath("schema.sql").read_text()]
    for role in map(_quoted, writers):
        parts.append(f"""
grant usage on schema multipool to {role};
grant execute on function
    multipool.beat(jsonb), multipool.goodbye(jsonb), multipool.sweep(), multipool.claim(jsonb)
    to {role};
""")
    for name in readers:
        role = _quoted(name)
        parts.append(f"""
grant usage on schema multipool to {role};
grant select on
    multipool.process, multipool.retired, multipool.control, multipool.budget, multipool.stake
    to {role};
grant execute on function
    multipool.snapshot(boolean), multipool.watch(double precision) to {role};
do $$
begin
    if not pg_has_role({_literal(name)}, 'pg_read_all_stats', 'usage') then
        grant pg_read_all_stats to {role};
    end if;
end
$$;
""")
    return "".join(parts)


def install(
    driver: Driver, conn: Any, writers: Iterable[str] = (), readers: Iterable[str] = ()
) -> None:
    """Run `script` on the idle connection *conn*, all of it or nothing.

    Raises `FleetError` if this role may not, or somebody keeps a table locked that must be altered.
    """
    try:
        driver.execute(conn, script(writers, readers))
    except driver.Error as error:
        state = driver.sqlstate(error)
        if state == "55P03":
            raise FleetError(
                "somebody has a lock on the fleet's tables, as a backup has: install it again"
                " when that is done; nothing was changed"
            ) from error
        if state == "42501":
            raise FleetError(
                "this role may not install the fleet: it must own the database, or be"
                " superuser; and who lets readers see all sessions must be superuser"
            ) from error
        raise


STATUS = """
select json_build_object(
    'database', current_database(),
    'role', current_user,
    'installed', to_regprocedure('multipool.beat(jsonb)') is not null,
    'writes', coalesce(has_schema_privilege('multipool', 'usage')
        and has_function_privilege('multipool.beat(jsonb)', 'execute'), false),
    'shares', coalesce(has_schema_privilege('multipool', 'usage')
        and has_function_privilege(to_regprocedure('multipool.claim(jsonb)'), 'execute'), false),
    'reads', coalesce(has_schema_privilege('multipool', 'usage')
        and has_table_privilege('multipool.process', 'select')
        and coalesce(has_table_privilege(to_regclass('multipool.stake'), 'select')
            and has_table_privilege(to_regclass('multipool.budget'), 'select'), true), false),
    'owns', (select pg_get_userbyid(nspowner) = current_user
               from pg_namespace where nspname = 'multipool'),
    'sees_all', pg_has_role('pg_read_all_stats', 'usage')
)::text where to_regnamespace('multipool') is not null
"""


def status(driver: Driver, conn: Any) -> dict[str, Any] | None:
    """Return what *conn*'s role may do; None if the fleet is not installed in its database."""
    told = driver.ask(conn, STATUS)
    found: dict[str, Any] | None = json.loads(told) if told else None
    return found


def _quoted(role: str) -> str:
    if not role or "\0" in role:
        raise FleetError("a role's name must not be empty")
    doubled = role.replace('"', '""')
    return f'"{doubled}"'


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
