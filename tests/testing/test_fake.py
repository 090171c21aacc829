"""The fake driver passes the suite that every adapter passes, and does as it is told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import ClassVar

from multipool.testing.compliance import DriverCompliance
from multipool.testing.fake import FakeDriver, Hang, OperationalError, Raise


class TestFakeDriver(DriverCompliance):
    driver = FakeDriver()
    params: ClassVar = {"dbname": "shop", "host": "nowhere"}
    tables = False
    client_settings: ClassVar = {
        "autocommit": True,
        "isolation_level": "serializable",
        "readonly": True,
    }

    @contextmanager
    def nobody(self, target):
        self.driver.server.once("connect", Raise(OperationalError("connection refused")))
        yield target

    @contextmanager
    def silence(self, target):
        gate = self.driver.server.once("connect", Hang())
        yield target
        gate.release()
