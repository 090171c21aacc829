"""Which driver a command asks with, where adapters from outside are installed."""

from __future__ import annotations

from argparse import Namespace
from importlib.metadata import EntryPoint

import pytest

from multipool import PoolConfigError, driver
from multipool.command_options import driver_of

MODULE = """
from multipool.testing.fake import FakeDriver

class Asking(FakeDriver):
    asks = True

asking, silent = Asking(), FakeDriver()
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Have these adapters, by name, and no others."""
    (tmp_path / "adapters_from_outside.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    def install(**adapters):
        entries = {
            name: EntryPoint(name, f"adapters_from_outside:{value}", driver.GROUP)
            for name, value in adapters.items()
        }
        monkeypatch.setattr(driver, "_adapters", lambda: entries)
        driver._load.cache_clear()

    yield install
    driver._load.cache_clear()


def test_the_first_that_can_ask_is_taken_whatever_it_is_called(install):
    install(**{"argparse": "silent", "my.driver": "asking", "zz": "asking"})
    assert driver_of(Namespace(driver=None)) is driver.get_driver("my.driver")


def test_one_that_cannot_be_loaded_is_passed_over(install):
    install(argparse="missing", mine="asking")
    assert driver_of(Namespace(driver=None)) is driver.get_driver("mine")


def test_where_none_can_ask_those_that_there_are_are_named(install):
    install(json="silent", mine="missing")
    with pytest.raises(PoolConfigError, match="there are adapters for json, mine"):
        driver_of(Namespace(driver=None))


def test_one_that_cannot_ask_is_refused_with_those_that_can(install):
    install(mine="silent", yours="asking")
    with pytest.raises(PoolConfigError, match="--driver mine: cannot ask a server; allowed: yours"):
        driver_of(Namespace(driver="mine"))
    install(mine="silent")
    with pytest.raises(PoolConfigError, match="allowed: none that is installed"):
        driver_of(Namespace(driver="mine"))
