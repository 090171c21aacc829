"""A fixture for what is logged of leases."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[..., list[Any]]:
    """Return what was logged of leases, as records: of one kind, begun or ended."""
    caplog.set_level(logging.INFO, logger="multipool.watch")

    def find(kind: str, *, ended: bool = False) -> list[Any]:
        return [
            record
            for record in caplog.records
            if getattr(record, "kind", None) == kind and record.ended is ended  # type: ignore[attr-defined]
        ]

    return find
