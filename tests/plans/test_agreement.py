"""Server and client agree on what is prepared, whatever was done to the connection."""

from __future__ import annotations

import random

import pytest
from plans.conftest import fetch, held, run
from support import Thread

from multipool.driver import UNKNOWN

STEPS = 400
TEXTS = [f"select {number} + id, name from numbers where id > %s" for number in range(6)]


@pytest.fixture(autouse=True)
def _patient_guards(monkeypatch):
    """Nothing is given up for being slow, on a machine that is busy with other tests.

    What runs unprepared does not find out that the server has dropped it unseen.
    """
    monkeypatch.setattr("multipool.plans.guard.FLOOR", 1e6)
    monkeypatch.setattr("multipool.plans.guard.DRIFT", 1e6)


class User:
    """Somebody who does all sorts of things to connections of a pool, by a random plan."""

    def __init__(self, pool, outside, seed):
        self.pool = pool
        self.driver = pool.driver
        self.outside = outside
        self.chance = random.Random(seed)
        self.deeds = [
            *[self.ask] * 8,
            *(self.commit, self.roll_back, self.fail, self.save_and_go_back),
            *(self.alter, self.alter_outside, self.discard, self.discard_unseen, self.kill),
        ]

    def live(self, steps):
        """Do *steps* things, on one lease after another."""
        while steps > 0:
            conn = self.pool.getconn()
            conn.autocommit = self.chance.random() < 0.5
            for _ in range(self.chance.randrange(1, 8)):
                steps -= 1
                try:
                    self.chance.choice(self.deeds)(conn)
                except self.driver.Error as error:
                    self.judge(conn, error)
                    if self.driver.status(conn) == UNKNOWN:
                        break
                    conn.rollback()
            conn.close()

    def judge(self, conn, error):
        """Let errors pass that are the user's own, or those of a transaction."""
        code = self.driver.sqlstate(error)
        expected = {None, "57P01", "08006", "22012", "25P02", "25001", "40P01", "XX000"}
        # Somebody altered a table, or discarded plans unseen, in mid-transaction.
        expected |= set() if conn.autocommit else {"0A000", "26000"}
        assert code in expected, error

    def ask(self, conn):
        text = self.chance.choice(TEXTS)
        value = self.chance.choice([1, 9, 2**40, 2.5, None])
        rows = fetch(conn, text, (value,))
        assert len(rows) == (0 if value is None else len([n for n in range(1, 11) if n > value]))

    def commit(self, conn):
        conn.commit()

    def roll_back(self, conn):
        conn.rollback()

    def fail(self, conn):
        fetch(conn, "select 1/0")

    def save_and_go_back(self, conn):
        if not conn.autocommit:
            run(conn, "savepoint s")
            self.ask(conn)
            run(conn, "rollback to savepoint s")

    def alter(self, conn):
        run(conn, "comment on table numbers is 'altered'; alter table numbers set (fillfactor=90)")

    def alter_outside(self, conn):
        conn.rollback()  # else the two would wait for each other
        width = self.chance.randrange(10, 90)
        run(self.outside, f"alter table numbers alter column name type varchar({width})")

    def discard(self, conn):
        if conn.autocommit:
            run(conn, self.chance.choice(["discard all", "deallocate all"]))

    def discard_unseen(self, conn):
        run(conn, "do $$ begin execute 'deal' || 'locate all'; end $$")

    def kill(self, conn):
        if self.chance.random() < 0.3:
            fetch(self.outside, f"select pg_terminate_backend({self.driver.backend_pid(conn)})")


def believed(conn):
    """Return the names that the client believes to be prepared."""
    shelf = conn._multipool_shelf
    assert not shelf.doubtful
    names = {form.name for form in shelf.held} | set(shelf.leftover)
    if shelf.store is not None:
        names |= {name.decode() for name in conn._prepared._names.values()}
        names |= {name.decode() for name in conn._prepared._to_flush}
    return names


@pytest.mark.parametrize("seed", range(4))
def test_server_and_client_agree_after_a_torture(make_pool, driver, params, table, seed):
    pool = make_pool(max_size=3, prepare={"threshold": 2, "max": 5})
    outside = driver.connect(params, timeout=10)
    outside.autocommit = True
    try:
        pool.prepare(TEXTS[0])
        User(pool, outside, seed).live(STEPS)
        leases = [pool.getconn() for _ in range(3)]
        for conn in leases:
            conn.autocommit = True
            for text in TEXTS:
                for _ in range(4):  # more than the threshold: what is in doubt is settled
                    assert len(fetch(conn, text, (7,))) == 3
            known = believed(conn)
            assert set(held(conn).values()) == known
            assert known
            assert len(conn._multipool_shelf.held) <= 5
            conn.autocommit = False
            conn.close()
    finally:
        driver.close(outside)


def test_many_threads_may_prepare_alter_and_give_up_at_once(make_pool, driver, table):
    pool = make_pool(max_size=4, prepare={"threshold": 1, "max": 4})

    def work(seed):
        chance = random.Random(seed)
        for _ in range(150):
            with pool.connection() as conn:
                conn.autocommit = True
                text = chance.choice(TEXTS)
                assert len(fetch(conn, text, (7,))) == 3
                if chance.random() < 0.05:
                    pool._inner.caretaker.planner.renew()
                if chance.random() < 0.02:
                    planner = pool._inner.caretaker.planner
                    planner.give_up(planner.wordings[text].statement, "for the test")
                conn.autocommit = False

    for thread in [Thread(lambda seed=seed: work(seed)) for seed in range(8)]:
        thread.outcome(60)
    with pool.connection() as conn:
        conn.autocommit = True
        for _ in range(3):
            fetch(conn, "select 1 from numbers where id = %s", (1,))
        assert set(held(conn).values()) == believed(conn)
        conn.autocommit = False
