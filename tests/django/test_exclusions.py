"""What Django's own suite cannot ask of these backends: a short list, each with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import multipool_django
from multipool_django import exclusions

LIST = Path(multipool_django.__file__).with_name("exclusions.toml")

MakeAlias = Callable[..., Any]


def skipped(connection: Any) -> set[str]:
    """Return the names of the tests that Django's runner skips on *connection*."""
    return {test for tests in connection.features.django_test_skips.values() for test in tests}


def test_the_list_is_short_and_says_why_for_each() -> None:
    text = LIST.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 25
    for tests in tomllib.loads(text).values():
        for test, reason in tests.items():
            assert test.count(".") >= 3
            assert reason.endswith(".")


def test_what_django_skips_on_its_own_backend_is_skipped_too(make_alias: MakeAlias) -> None:
    assert "lookup.tests.LookupTests.test_textfield_exact_null" in skipped(make_alias())


def test_without_a_pool_the_tests_of_pools_run(make_alias: MakeAlias) -> None:
    pooled = {*tomllib.loads(LIST.read_text(encoding="utf-8"))["pooled"]}
    assert pooled <= skipped(make_alias())
    assert not pooled & skipped(make_alias(OPTIONS={"pool": False}))


@pytest.mark.parametrize("options", [{}, {"pool": True}, {"pool": {"max_size": 4}}])
def test_a_pool_by_default_is_a_pool_for_the_suite_as_one_that_was_asked_for(
    make_alias: MakeAlias, options: dict[str, Any]
) -> None:
    health = "backends.base.test_base.ConnectionHealthChecksTests.test_health_checks_enabled"
    assert health in skipped(make_alias(OPTIONS=options))


def test_what_needs_one_of_djangos_drivers_runs_where_there_is_one(
    make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = "postgres_tests.test_integration.PostgresIntegrationTests.test_check"
    monkeypatch.setattr(exclusions, "djangos_choice", lambda: "psycopg2")
    assert check not in skipped(make_alias("first"))
    monkeypatch.setattr(exclusions, "djangos_choice", lambda: None)
    assert check in skipped(make_alias("second"))
