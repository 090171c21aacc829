"""pg8000's adapter passes the suite that every adapter passes."""

from __future__ import annotations

from typing import ClassVar

import pytest

from multipool.testing.compliance import DriverCompliance
from multipool_pg8000 import driver


class TestPg8000(DriverCompliance):
    driver = driver
    client_settings: ClassVar = {
        "autocommit": True,
        "isolation_level": 3,
        "readonly": True,
        "deferrable": True,
    }

    @pytest.fixture
    def target(self, params):
        return params
