"""What a request leaves in its session does not reach the next request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections
from left_behind import ON_THE_SERVER

MakeAlias = Callable[..., Any]
Get = Callable[[str], tuple[int, Any]]

# What requests leave most often.
LEFT = (
    "the role",
    "the search path",
    "a setting",
    "a custom setting",
    "the time zone",
    "a temporary table",
    "an advisory lock",
    "LISTEN",
)
PID = "select pg_backend_pid()"


def found(site: Get, sql: str) -> str:
    status, body = site(f"/see/?sql={quote(sql)}")
    assert status == 200
    answer: str = body["found"]
    return answer


@pytest.mark.parametrize("what", LEFT)
def test_the_next_request_on_the_same_connection_does_not_find(what: str, site: Get) -> None:
    leave, see = ON_THE_SERVER[what]
    before, pid = found(site, see), found(site, PID)
    assert site(f"/leave/?sql={quote(leave)}")[0] == 200
    assert found(site, see) == before
    assert found(site, PID) == pid, "the connection was replaced, not reset"


@pytest.mark.parametrize("what", LEFT)
def test_without_a_reset_it_would(what: str, make_alias: MakeAlias) -> None:
    """The proof that the test above can fail."""
    leave, see = ON_THE_SERVER[what]
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
