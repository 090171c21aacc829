"""Behind a pooler of transactions nothing is prepared, and the log says so once."""

from __future__ import annotations

import logging

from plans.conftest import fetch

from multipool import Pool

SQL = "select %s::integer"


def test_nothing_is_prepared_behind_a_pooler_and_one_line_says_so(driver, pgbouncer, caplog):
    # Else psycopg prepares by itself.
    own = {"prepare_threshold": None} if driver.name == "psycopg" else {}
    options = {"max_size": 3, "prepare": {"threshold": 1}}
    with (
        caplog.at_level(logging.WARNING, "multipool"),
        Pool({**pgbouncer, **own}, driver=driver, name="behind", **options) as pool,
    ):
        pool.prepare(SQL)
        with pool.connection() as one, pool.connection() as other:
            for number in range(5):
                for conn in (one, other):
                    assert fetch(conn, SQL, (number,)) == [(number,)]
                    conn.commit()
        found = [plan for plan in pool.plans() if plan.sql == SQL]
    assert [(plan.state, plan.calls) for plan in found] == [("off", 0)]
    assert "pooler" in found[0].reason
    assert [record.getMessage() for record in caplog.records] == [
        "pool 'behind': no statement is prepared: a pooler stands between this pool and its server"
    ]
