"""Under gevent: greenlets share a pool as threads do, and may be killed as they wait."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from hard_cases.play import play


@pytest.mark.skipif(find_spec("gevent") is None, reason="gevent is not installed")
def test_greenlets_share_a_pool_and_their_kills_lose_nothing(driver, upkeep, dsn):
    play("gevent_patched.py", driver.name, upkeep, dsn)
