"""The time zone comes with the startup packet, or else by a SET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pgbouncer as pgbouncers
import pytest
from django.db import OperationalError
from support import Thread

from multipool_django import startup

MakeAlias = Callable[..., Any]

ZONE = "Asia/Tokyo"


@pytest.fixture(autouse=True)
def _nobody_has_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_refusing", set())


@pytest.fixture(params=["", "options"], ids=["refusing", "dropping"])
def pooler(request: pytest.FixtureRequest, server: Any, params: dict[str, str]) -> Any:
    """A PgBouncer that refuses ``options``, as it did before 1.20, or drops them."""
    program = pgbouncers.program()
    if program is None:
        pytest.skip("install pgbouncer (apt-get install pgbouncer)")
    with pgbouncers.running(program, params, ignored=request.param) as through:
        yield through


def zone(connection: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("show timezone")
        found: str = cursor.fetchone()[0]
        return found


def test_behind_a_pooler_that_wants_no_options_it_is_set(
    make_alias: MakeAlias, pooler: dict[str, str]
) -> None:
    connection = make_alias(
        HOST=pooler["host"], PORT=pooler["port"], TIME_ZONE=ZONE, OPTIONS={"pool": {"max_size": 3}}
    )

    def visit() -> list[str]:
        mine = connection.copy()
        try:
            return [zone(mine), zone(mine)]
        finally:
            mine.close()

    threads = [Thread(visit) for _ in range(6)]
    assert [thread.outcome(20) for thread in threads] == [[ZONE, ZONE]] * 6
    assert connection.pool.stats().used == 0


def test_a_reset_behind_it_sets_it_again(make_alias: MakeAlias, pooler: dict[str, str]) -> None:
    connection = make_alias(HOST=pooler["host"], PORT=pooler["port"], TIME_ZONE=ZONE)
    with connection.cursor() as cursor:
        cursor.execute("set timezone to 'UTC'")
    connection.close()
    assert zone(connection) == ZONE


def test_options_of_the_settings_and_of_the_environment_stay(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=2MB")
    for options, expected in (({}, "2MB"), ({"options": "-c work_mem=3MB"}, "3MB")):
        connection = make_alias(TIME_ZONE=ZONE, OPTIONS=options)
        with connection.cursor() as cursor:
            cursor.execute("show work_mem")
            assert cursor.fetchone()[0] == expected
        assert zone(connection) == ZONE
        connection.close_pool()


def test_an_option_that_the_server_does_not_know_is_the_users_to_mend(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias(TIME_ZONE=ZONE, OPTIONS={"options": "-c work_mum=1MB"})
    with pytest.raises(OperationalError, match="work_mum"):
        connection.ensure_connection()


@pytest.mark.parametrize(
    ("params", "time_zone", "expected"),
    [
        ({}, "UTC", "-c TimeZone=UTC"),
        ({"options": "-c a=b"}, "UTC", "-c a=b -c TimeZone=UTC"),
        ({}, "a \\b", "-c TimeZone=a\\ \\\\b"),
        ({}, None, None),
        ({"service": "shop"}, "UTC", None),
    ],
)
def test_it_is_written_among_libpqs_options_unless_a_service_may_have_some(
    params: dict[str, str], time_zone: str | None, expected: str | None
) -> None:
    assert startup.conninfo(params, time_zone)().get("options") == expected


def test_who_refused_once_is_asked_without_them() -> None:
    refusal = OSError("FATAL: unsupported startup parameter: options")
    here, there = {"host": "here"}, {"host": "there"}
    asked = startup.conninfo(here, "UTC")
    assert not startup.refused(here, OSError("FATAL: password authentication failed"))
    assert "options" in asked()
    assert startup.refused(here, refusal)
    assert "options" not in asked()
    assert "options" in startup.conninfo(there, "UTC")()
