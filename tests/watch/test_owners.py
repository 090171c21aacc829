"""What a borrower does now, be it a thread, a task of asyncio, or gone."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from support import Thread, line_of, until

from multipool import Pool
from multipool.testing.fake import FakeDriver
from multipool.watch.doing import doing

IDLE = "idle in transaction"


def test_a_program_of_asyncio_that_uses_threads_is_named_line_by_line(make_pool, logged):
    pool = make_pool(idle_in_transaction_after=0.3)
    go_on = threading.Event()

    def work():
        with pool.connection() as conn:
            cursor = conn.cursor()
            cursor.execute("select 1")
            go_on.wait(10)

    async def main():
        task = asyncio.create_task(asyncio.to_thread(work))
        while not logged(IDLE):  # what is waited for is no event of the loop's
            await asyncio.sleep(0.02)
        go_on.set()
        await task

    asyncio.run(asyncio.wait_for(main(), 10))
    (record,) = logged(IDLE)
    assert record.checked_out[0] == line_of(work, "connection()")
    assert record.cursor[0] == line_of(work, "cursor()")
    assert record.query[0] == line_of(work, "execute")
    assert line_of(work, "go_on.wait") in record.doing


def test_a_task_that_awaits_with_a_connection_in_its_hands_is_found_where_it_waits(
    make_pool, logged
):
    pool = make_pool(idle_in_transaction_after=0.3, trace="full")

    async def pause():
        while not logged(IDLE):  # as above
            await asyncio.sleep(0.02)

    async def work():
        with pool.connection() as conn:
            conn.cursor().execute("select 1")
            await pause()

    async def main():
        # The loop's thread goes on with other things meanwhile.
        await asyncio.gather(work(), *(asyncio.sleep(0.001) for _ in range(100)))

    asyncio.run(asyncio.wait_for(main(), 10))
    (record,) = logged(IDLE)
    assert record.query[0] == line_of(work, "execute")
    assert [line for line in record.doing if "test_owners" in line] == [
        line_of(pause, "asyncio.sleep"),
        line_of(work, "await pause()"),
    ]


def test_a_thread_of_a_loop_or_an_executor_may_be_at_somebody_elses_work_and_that_is_said():
    """Where no whole stack was kept, which knows the task."""
    pool = Pool("", driver=FakeDriver())
    seen = {}

    async def hold():
        with pool.connection():
            await asyncio.sleep(0.1)

    async def work():
        await asyncio.sleep(0)
        (seen["loop"],) = pool.held(0)

    def hold_and_look():
        with pool.connection():
            (seen["itself"],) = pool.held(0)

    def look():
        (seen["executor"],) = pool.held(0)

    async def main():
        await asyncio.gather(hold(), work())
        with ThreadPoolExecutor(1) as executor:
            executor.submit(hold_and_look).result()
            conn = executor.submit(pool.getconn).result()
            executor.submit(look).result()
            executor.submit(pool.putconn, conn).result()

    asyncio.run(main())
    doubt = " (or what it held it for goes on elsewhere)"
    assert seen["loop"].doing[0] == line_of(work, "pool.held") + doubt
    assert seen["executor"].doing[0] == line_of(look, "pool.held") + doubt
    assert seen["itself"].doing[0] == line_of(hold_and_look, "pool.held")
    pool.close()


def test_a_task_that_is_done_is_said_to_be():
    pool = Pool("", driver=FakeDriver(), trace="full")
    kept = []

    async def work():
        kept.append(pool.getconn())

    asyncio.run(work())
    (holder,) = pool.held(0)
    assert holder.doing == ("(its task is done)",)
    kept.pop().close()
    pool.close()


def test_a_thread_that_has_ended_is_said_to_have():
    pool = Pool("", driver=FakeDriver())
    kept = []
    Thread(lambda: kept.append(pool.getconn())).outcome()
    until(lambda: pool.held(0)[0].doing == ("(its thread has ended)",))
    assert pool.held(0)[0].borrower.endswith("(ended)")
    kept.pop().close()
    pool.close()


def test_a_borrower_that_is_nobodys_thread_is_not_guessed_at():
    class Greenlet:
        ended = False
        ident = -1

        def greenlet(self):
            return None

    assert doing(Greenlet(), None) == ("(not running: no thread of Python's)",)
