"""Libraries that trace queries replace a driver's ``connect`` by one that returns a proxy.

ddtrace, elastic-apm and newrelic do so, by wrapt's `ObjectProxy`, and OpenTelemetry by another
cursor factory.
"""

from __future__ import annotations

import gc

import pytest
from tracers import Proxy, owner_of_connect

from multipool import Pool


@pytest.fixture
def traced(driver, monkeypatch):
    """Have what *driver* connects by return a proxy; return a list of its calls."""
    if driver.name == "pg8000":
        pytest.skip("no known tracer replaces anything of pg8000's")
    owner = owner_of_connect(driver.name)
    connect, made = owner.connect, []

    def connect_traced(*args, **options):
        made.append(driver.name)
        return Proxy(connect(*args, **options))

    monkeypatch.setattr(owner, "connect", connect_traced)
    return made


def test_a_pool_lends_what_a_tracer_has_put_a_proxy_around(driver, params, traced):
    with Pool(params, driver=driver, name="shop", max_size=1) as pool:
        for _ in range(3):
            with pool.connection() as conn:
                cursor = conn.cursor()
                cursor.execute("select 6 * 7")
                assert cursor.fetchone() == (42,)
        assert pool.execute("select 1").fetchone() == (1,)
    assert len(traced) == 1


def test_what_is_closed_by_hand_through_a_proxy_is_lent_again(driver, params, traced):
    with Pool(params, driver=driver, name="shop", max_size=1) as pool:
        for _ in range(3):
            conn = pool.getconn()
            conn.close()
            del conn
            gc.collect()
            assert pool.stats().idle == 1
        assert (pool.stats().opened, pool.stats().lost) == (1, 0)
    assert len(traced) == 1
