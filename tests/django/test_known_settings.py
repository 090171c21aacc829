"""Settings that are asked for at each cursor are Django's own, whoever changes them, and how."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from multipool_django.known_settings import known


@pytest.fixture
def restored() -> Any:
    with override_settings():  # at its end whatever was set is gone
        yield


@pytest.mark.usefixtures("restored")
def test_they_are_what_they_are_now() -> None:
    assert known.USE_TZ is settings.USE_TZ
    with override_settings(USE_TZ=not settings.USE_TZ):
        assert known.USE_TZ is settings.USE_TZ
    assert known.USE_TZ is settings.USE_TZ
    settings.USE_TZ = not settings.USE_TZ
    assert known.USE_TZ is settings.USE_TZ
    del settings.USE_TZ
    assert not hasattr(known, "USE_TZ")


@pytest.mark.usefixtures("restored")
def test_who_sets_one_sets_django_s() -> None:
    before = settings.DEBUG
    known.DEBUG = not before
    assert settings.DEBUG is known.DEBUG is not before
    with override_settings(DEBUG=before):
        assert known.DEBUG is before


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("read", [False, True])
def test_what_a_test_puts_in_its_place_is_gone_afterwards(read: bool) -> None:
    before = settings.USE_TZ
    settings.USE_TZ = before  # forgotten: nobody has asked since
    with mock.patch.object(known, "USE_TZ", not before):
        assert not read or settings.USE_TZ is not before
    assert settings.USE_TZ is before


def test_what_is_none_is_refused_as_django_does() -> None:
    with pytest.raises(AttributeError, match="NO_SUCH_SETTING"):
        _ = known.NO_SUCH_SETTING
    with override_settings(SECRET_KEY=""), pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        _ = known.SECRET_KEY


def test_what_is_no_setting_is_django_s_too() -> None:
    assert known.configured
    assert not known.is_overridden("NO_SUCH_SETTING")


def test_the_twins_of_django_s_modules_ask_them(driver_name: str) -> None:
    for module in ("base", "operations"):
        assert import_module(f"multipool_django.{driver_name}.{module}").settings is known
