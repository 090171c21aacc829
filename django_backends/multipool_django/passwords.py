"""``PASSWORD`` as a callable, for passwords and tokens that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.client import BaseDatabaseClient

from multipool_django.own_connect import final_params


def resolved(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return *params* with the password that holds now.

    Raises `ImproperlyConfigured` if the callable returns anything but a string, and what it
    raises itself.
    """
    password = params.get("password")
    if not callable(password):
        return dict(params)
    password = password()
    if not isinstance(password, str):
        raise ImproperlyConfigured(
            f"the callable in PASSWORD returned {type(password).__name__}; it must return a string"
        )
    return {**params, "password": password}


@dataclass(frozen=True)
class PasswordOfSubclass:
    """The password that a subclass of ours connects with, anew each time.

    Be it its ``get_connection_params`` that puts it in, or its ``get_new_connection``. Two of the
    same class and alias are equal, so that they lead to the same pool.
    """

    wrapper: type[BaseDatabaseWrapper]
    settings: dict[str, Any] = field(repr=False)
    alias: str

    def __call__(self) -> Any:
        """Ask a wrapper of its own, since those of the threads come and go."""
        return final_params(self.wrapper, self.settings, self.alias).get("password")


class PasswordForShell(BaseDatabaseClient):
    """Mixin for ``DatabaseClient``: ``manage.py dbshell`` with the password that holds now."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Any
    ) -> tuple[Sequence[str], dict[str, str] | None]:
        """Return what Django would, once the password is known."""
        password = settings_dict.get("PASSWORD")
        if callable(password):
            settings_dict = {
                **settings_dict,
                "PASSWORD": resolved({"password": password})["password"],
            }
        return super().settings_to_cmd_args_env(settings_dict, parameters)
