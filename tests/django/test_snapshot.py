"""Connection parameters are worked out once, and anew whenever a setting has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings

MakeAlias = Callable[..., Any]


@pytest.fixture
def counted(make_alias: MakeAlias, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An alias, whose attribute ``made`` tells how often its parameters were made."""
    connection = make_alias(OPTIONS={"pool": {"max_size": 2}})
    made = connection._make_params
    connection.made = 0

    def make_params() -> dict[str, Any]:
        connection.made += 1
        params: dict[str, Any] = made()
        return params

    monkeypatch.setattr(connection, "_make_params", make_params)
    return connection


def test_many_checkouts_make_them_once(counted: Any) -> None:
    for _ in range(5):
        counted.ensure_connection()
        counted.close()
    assert counted.made == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: settings.update(NAME="postgres"),
        lambda settings: settings.update(PASSWORD="other"),
        lambda settings: settings["OPTIONS"].update(application_name="shop"),
        lambda settings: settings["OPTIONS"]["pool"].update(max_size=3),
        lambda settings: settings["OPTIONS"].pop("pool"),
    ],
)
def test_a_setting_that_is_changed_in_place_is_heeded(
    counted: Any, change: Callable[[dict[str, Any]], object]
) -> None:
    before = counted.get_connection_params()
    change(counted.settings_dict)
    after = counted.get_connection_params()
    assert counted.made == 2
    assert counted.get_connection_params() == after
    assert counted.made == 2
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert changed <= {"dbname", "password", "application_name"}


@pytest.mark.parametrize(
    "setting", [{"TIME_ZONE": "Asia/Tokyo", "USE_TZ": False}, {"USE_TZ": False}]
)
def test_an_overridden_setting_is_heeded_and_so_is_its_return(
    counted: Any, setting: dict[str, Any]
) -> None:
    counted.get_connection_params()
    with override_settings(**setting):
        counted.get_connection_params()
        assert counted.made == 2
    counted.get_connection_params()
    assert counted.made == 3


def test_what_is_returned_is_the_callers_own(counted: Any) -> None:
    counted.get_connection_params()["password"] = "token"
    assert counted.get_connection_params().get("password") != "token"


def test_a_subclass_with_parameters_of_its_own_has_a_pool_for_each_of_them(
    make_alias: MakeAlias,
) -> None:
    connection = make_alias()

    class Wrapper(type(connection)):  # type: ignore[misc]
        token = "one"

        def get_connection_params(self) -> dict[str, Any]:
            params: dict[str, Any] = super().get_connection_params()
            params["application_name"] = self.token
            return params

    own = Wrapper(connection.settings_dict, "default")
    for token in ("one", "two", "one"):
        own.token = token
        with own.cursor() as cursor:
            cursor.execute("show application_name")
            assert cursor.fetchone()[0] == token
        own.close()
    own.close_pool()


@pytest.mark.parametrize("hold", ["request", "transaction"])
def test_a_subclass_whose_password_is_a_token_has_one_pool_which_asks_for_each_connection(
    make_alias: MakeAlias, hold: str
) -> None:
    connection = make_alias(OPTIONS={"pool": {"hold": hold}})
    tokens: list[str] = []

    class Wrapper(type(connection)):  # type: ignore[misc]
        def get_connection_params(self) -> dict[str, Any]:
            tokens.append(f"token {len(tokens)}")
            return {**super().get_connection_params(), "password": tokens[-1]}

        def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
            assert "dbname" in conn_params
            return super().get_new_connection(conn_params)

    own = Wrapper(connection.settings_dict, "default")
    pools = set()
    for _ in range(2):
        with own.cursor() as cursor:
            cursor.execute("select 1")
        own.close()
        pools.add(own.pool)
        own.pool.drain()
    (pool,) = pools
    assert pool.stats().opened == 2
    one, two = (pool._inner.target.params()["password"] for _ in range(2))
    assert one != two
    assert {one, two} < set(tokens)
    own.close_pool()
