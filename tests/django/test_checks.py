"""``manage.py check`` finds what is wrong with a pooled alias, and connects to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import registry, run_checks

MakeAlias = Callable[..., Any]


def check() -> list[tuple[str, str, Any]]:
    found = run_checks(tags=["multipool"])
    return [(message.id or "", message.msg, message.obj) for message in found]


def test_default_settings_are_in_order(make_alias: MakeAlias) -> None:
    connection = make_alias(HOST="127.0.0.1", PORT="1")
    assert "multipool" in registry.registry.tags_available()
    assert check() == []
    assert connection.connection is None


def test_a_maximum_age_without_effect_is_warned_about(make_alias: MakeAlias) -> None:
    make_alias(CONN_MAX_AGE=600)
    ((number, message, where),) = check()
    assert (number, where) == ("multipool.W001", "DATABASES['default']")
    assert message.startswith("CONN_MAX_AGE=600 has no effect")


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ({"max_sise": 3}, "unknown option 'max_sise'"),
        ({"max_size": -1}, "max_size=-1: must be an integer of at least 1"),
        ("nowhere", "names the pool 'nowhere', which does not exist"),
        (None, "is None; it must be True, False, a dict"),
    ],
)
def test_a_wrong_pool_option_is_an_error(make_alias: MakeAlias, pool: object, says: str) -> None:
    make_alias(OPTIONS={"pool": pool})
    ((number, message, where),) = check()
    assert (number, where) == ("multipool.E001", "DATABASES['default']")
    assert says in message


def test_an_alias_without_a_pool_is_left_alone(make_alias: MakeAlias) -> None:
    make_alias(OPTIONS={"pool": False}, CONN_MAX_AGE=600)
    assert check() == []
