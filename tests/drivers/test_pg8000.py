"""pg8000's adapter passes the suite that every adapter passes."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hearing import NOTICE, Heard

from multipool import Pool
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


def ask(conn, sql):
    with conn.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_read_only_set_in_autocommit_does_not_reach_the_next_borrower(params):
    with Pool(params, driver=driver, max_size=1) as pool:
        with pool.connection() as conn:
            conn.autocommit = True
            conn.readonly = True
            assert ask(conn, "show transaction_read_only") == "on"
        with pool.connection() as again:
            assert again is conn
            again.autocommit = True
            assert ask(again, "show transaction_read_only") == "off"


@pytest.mark.parametrize("changes", [{"readonly": False}, {"autocommit": False}])
def test_what_was_configured_to_read_only_does_so_whatever_a_borrower_sets(params, changes):
    def configure(conn):
        conn.set_session(readonly=True, autocommit=True)

    with Pool(params, driver=driver, max_size=1, configure=configure) as pool:
        with pool.connection() as conn:
            conn.set_session(**changes)
        with pool.connection() as again:
            assert again is conn
            assert (again.autocommit, again.readonly) == (True, True)
            assert ask(again, "show transaction_read_only") == "on"


def test_a_handler_of_notices_that_was_configured_stays(params):
    heard = Heard()

    def configure(conn):
        conn.notices = heard

    with Pool(params, driver=driver, max_size=1, configure=configure) as pool:
        for _ in range(2):
            with pool.connection() as conn:
                conn.cursor().execute(NOTICE)
        assert heard.heard == 2


def test_a_handler_of_notices_is_the_borrowers_own(params):
    heard = Heard()
    with Pool(params, driver=driver, max_size=1) as pool:
        with pool.connection() as conn:
            conn.notices = heard
            conn.cursor().execute(NOTICE)
        with pool.connection() as conn:
            conn.cursor().execute(NOTICE)
            assert len(conn.notices) == 1
        assert heard.heard == 1
