"""The tests of Django's own suite that cannot pass on these backends: ``exclusions.toml``."""

from __future__ import annotations

import copy
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import django
from django.utils.functional import cached_property

from multipool_django.primary import djangos_choice


class Exclusions:
    """Mixin for ``DatabaseFeatures``: what Django's test runner should skip, and why."""

    connection: Any

    @cached_property
    def django_test_skips(self) -> dict[str, set[str]]:
        """The tests to skip by reason: Django's own and those of ``exclusions.toml``."""
        seen: Any = super(Exclusions, self._with_its_pool_in_sight())
        skips: dict[str, set[str]] = seen.django_test_skips
        found = defaultdict(set, {reason: {*tests} for reason, tests in skips.items()})
        for test, reason in self._excluded().items():
            found[reason].add(test)
        return dict(found)

    def _with_its_pool_in_sight(self) -> Exclusions:
        """Return a copy whose settings say "pool", as Django asks them, by default too."""
        settings = self.connection.settings_dict
        told = copy.copy(self)
        told.connection = copy.copy(self.connection)
        told.connection.settings_dict = {
            **settings,
            "OPTIONS": {"pool": self.connection.pooled, **settings["OPTIONS"]},
        }
        return told

    def _excluded(self) -> dict[str, str]:
        pooled: bool = self.connection.pooled
        conditions = {
            "pooled": pooled,
            # Django refuses a name that its suite does not have.
            "pooled, since Django 6.1": pooled and django.VERSION >= (6, 1),
            "hold is transaction": pooled and self.connection.holds_by_transaction,
            "pg8000": self.connection.driver == "pg8000",
            "no driver that Django knows": djangos_choice() is None,
        }
        listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
        return {
            test: reason
            for condition, tests in listed.items()
            if conditions[condition]
            for test, reason in tests.items()
        }
