"""What a request leaves in its session does not reach the next request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]

# What a request leaves, and what the next one would see of it.
LEFT = {
    "a role": ("set role pg_monitor", "select current_user"),
    "a search path": ("set search_path to pg_catalog, public", "show search_path"),
    "a setting": ("set work_mem to '123kB'", "show work_mem"),
    "a tenant": (
        "select set_config('app.tenant', '42', false)",
        "select coalesce(current_setting('app.tenant', true), '')",
    ),
    "a time zone": ("set time zone 'Asia/Tokyo'", "show timezone"),
    "a temporary table": ("create temporary table mine ()", "select to_regclass('pg_temp.mine')"),
    "an advisory lock": (
        "select pg_advisory_lock(4711)",
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    ),
    "a channel to listen to": ("listen news", "select count(*) from pg_listening_channels()"),
}
PID = "select pg_backend_pid()"


def found(site: Get, sql: str) -> str:
    status, body = site(f"/see/?sql={quote(sql)}")
    assert status == 200
    answer: str = body["found"]
    return answer


@pytest.mark.parametrize("what", LEFT)
def test_the_next_request_on_the_same_connection_does_not_find(what: str, site: Get) -> None:
    leave, see = LEFT[what]
    before, pid = found(site, see), found(site, PID)
    assert site(f"/leave/?sql={quote(leave)}")[0] == 200
    assert found(site, see) == before
    assert found(site, PID) == pid, "the connection was replaced, not reset"


@pytest.mark.parametrize("what", LEFT)
def test_without_a_reset_it_would(what: str, make_alias: MakeAlias) -> None:
    """The proof that the test above can fail."""
    leave, see = LEFT[what]
    connection = make_alias(OPTIONS={"pool": {"max_size": 1, "reset": "never"}})

    def request(sql: str) -> Any:
        with connections["default"].cursor() as cursor:
            cursor.execute(sql)
            answer = cursor.fetchone() if cursor.description else None
        connection.close()
        return answer

    before = request(see)
    request(leave)
    assert request(see) != before
