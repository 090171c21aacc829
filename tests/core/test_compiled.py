"""What is done in C is what `hotpath` does in Python; and who wants the latter gets it."""

import gc
import inspect
import os
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import FunctionType
from weakref import ref

import pytest
from fake_pools import AtOnce
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Thread, line_of

from multipool import ConnectionNotLeased, Pool, compiled, compiled_path, upkeep
from multipool.borrower import here
from multipool.clock import clock
from multipool.slot import Slot
from multipool.testing.fake import FakeDriver, FakeServer
from multipool.upkeep import Inline

pytestmark = pytest.mark.skipif(
    not compiled.built,
    reason="multipool was built without a C compiler: install one, and multipool again",
)


@pytest.fixture
def in_c(monkeypatch):
    monkeypatch.setattr(compiled_path, "in_use", True)
    # Else every connection is looked at before it is lent, and nothing done in C.
    monkeypatch.setattr(clock, "asleep", False)
    monkeypatch.setattr(upkeep, "of", lambda option: Inline() if option == "inline" else AtOnce())


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_a_compiled_path_looks_like_the_function_it_stands_for(in_c, make_pool, upkeep):
    pool = make_pool(upkeep=upkeep)
    assert not isinstance(pool.getconn, FunctionType)
    for name in ("getconn", "putconn"):
        twin, method = getattr(pool, name), getattr(Pool, name)
        assert (twin.__doc__, twin.__qualname__) == (method.__doc__, method.__qualname__)
    assert list(inspect.signature(pool.getconn).parameters)[:2] == ["timeout", "_depth"]


def test_who_sets_the_variable_gets_the_path_in_python():
    code = "from multipool import compiled_path; print(compiled_path.in_use)"
    for value, answer in (("1", "False"), ("", "True")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "MULTIPOOL_PURE_PYTHON": value},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == answer


def test_greenlets_that_make_threads_get_the_path_in_python():
    pytest.importorskip("gevent")
    code = (
        "from gevent import monkey; monkey.patch_all();"
        "from multipool import compiled_path; print(compiled_path.in_use)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


class Asking(Pool):
    def getconn(self, timeout=None, _depth=1):
        return super().getconn(timeout, _depth + 1)


@pytest.mark.parametrize("kind", [Pool, Asking])
def test_a_lease_is_noted_where_it_began(in_c, kind):
    with kind({}, driver=FakeDriver(FakeServer())) as pool:
        pool.putconn(pool.getconn())  # which opens it, so not in C
        conn = pool.getconn()  # here
        where = conn._multipool_slot.where()
        pool.putconn(conn)
    assert where == line_of(test_a_lease_is_noted_where_it_began, "# here")


def test_nothing_is_noted_where_nothing_is_traced(in_c, make_pool):
    pool = make_pool(trace=False)
    pool.putconn(pool.getconn())
    assert pool.getconn()._multipool_slot.code is None


def test_an_argument_too_many_is_refused_in_c_too(in_c, make_pool):
    pool = make_pool()
    pool.putconn(pool.getconn())
    with pytest.raises(TypeError, match="positional arguments"):
        pool.getconn(None, 1, False, "one too many")


def test_what_a_build_asks_for_does_not_need_the_soabi_that_windows_leaves_out(monkeypatch):
    pytest.importorskip("hatchling")
    asked = sysconfig.get_config_var
    monkeypatch.setattr(
        sysconfig, "get_config_var", lambda name: None if name == "SOABI" else asked(name)
    )
    monkeypatch.delenv("MULTIPOOL_PURE_PYTHON", raising=False)
    hook = runpy.run_path(str(Path(__file__).parents[2] / "hatch_build.py"))
    assert hook["refusal"]() is None


def test_a_compiled_path_can_be_referred_to_weakly_as_a_function_can(in_c, make_pool):
    pool = make_pool()
    assert ref(pool.getconn)() is pool.getconn


def test_an_interrupt_in_the_midst_of_a_checkout_frees_the_place(in_c, make_pool, monkeypatch):
    def interrupted(slot, borrower):
        raise KeyboardInterrupt

    pool = make_pool(max_size=1)
    Thread(lambda: pool.putconn(pool.getconn())).outcome()
    with monkeypatch.context() as patched:
        patched.setattr(Slot, "pass_to", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.getconn()
    gc.collect()
    assert pool.getconn(timeout=0)


@pytest.mark.parametrize("error", [AttributeError, KeyboardInterrupt])
def test_what_is_raised_by_the_status_of_a_foreign_connection_is_not_lost(in_c, make_pool, error):
    class Foreign:
        @property
        def _multipool_slot(self):
            raise error

    with pytest.raises(ConnectionNotLeased if error is AttributeError else error):
        make_pool().putconn(Foreign())


def test_a_pool_that_is_dropped_takes_its_compiled_path_along(in_c):
    pool = Pool({}, driver=FakeDriver(FakeServer()))
    pool.putconn(pool.getconn())
    gone = ref(pool)
    inside = ref(pool._inner.places)
    pool.close()
    del pool
    gc.collect()
    assert (gone(), inside()) == (None, None)


def test_checkouts_and_returns_leave_nothing_behind(in_c, make_pool):
    pool = make_pool(max_size=1)

    def some(count):
        for _ in range(count):
            conn = pool.getconn()
            pool.putconn(conn)
            with pytest.raises(ConnectionNotLeased):
                pool.putconn(conn)
        conn = None
        gc.collect()
        return sys.getallocatedblocks()

    some(50)
    before = some(10)
    assert some(1000) - before < 500


class Half:
    """A pool with a hot path of one kind or the other, and what is done to it."""

    def __init__(self, monkeypatch, in_c, inline):
        with monkeypatch.context() as patched:
            patched.setattr(compiled_path, "in_use", in_c)
            if not inline:
                patched.setattr(upkeep, "of", lambda option: AtOnce())
            self.server = FakeServer()
            self.pool = Pool(
                {},
                driver=FakeDriver(self.server),
                max_size=2,
                max_lifetime=None,
                max_idle=None,
                upkeep="inline" if inline else "thread",
            )
        self.lent, self.all = [], []

    def borrow(self):
        conn = self.pool.getconn(timeout=0)
        if conn not in self.all:
            self.all.append(conn)
        self.lent.append(conn)
        return self.all.index(conn)

    def borrow_elsewhere(self):
        return Thread(self.borrow).outcome()

    def borrow_by_name(self):
        self.lent.append(self.pool.getconn(timeout=0, _depth=2))

    def give_back(self):
        self.pool.putconn(self.lent.pop(0))

    def give_back_elsewhere(self):
        Thread(self.give_back).outcome()

    def give_back_twice(self):
        conn = self.lent.pop()
        self.pool.putconn(conn)
        self.pool.putconn(conn)

    def close(self):
        self.lent.pop().close()

    def end(self):
        conn = self.lent.pop()
        slot = conn._multipool_slot
        return self.pool._inner.endlease(conn, slot, slot.serial)

    def end_the_one_before(self):
        conn = self.lent[-1]
        slot = conn._multipool_slot
        return self.pool._inner.endlease(conn, slot, slot.serial - 1)

    def begin_a_transaction(self):
        self.lent[-1].cursor().execute("select 1")

    def suspect(self):
        for conn in self.all:
            if conn._multipool_slot is not None:
                conn._multipool_slot.wary = True

    def spend(self):
        self.pool.drain()

    def keep_stacks(self):
        tracing = self.pool._inner.tracing
        tracing.stacks = not tracing.stacks

    def settle_later(self):
        slot = self.lent[-1]._multipool_slot
        slot.settled_lease = slot.serial
        slot.has_past = True

    def block(self):
        with self.pool.connection(timeout=0) as conn:
            return self.all.index(conn) if conn in self.all else None

    def give_back_nothing(self):
        self.pool.putconn(None)

    def outcome(self, step):
        """Return what a step comes to, and what it has left."""
        try:
            result = getattr(self, step)()
        except Exception as error:
            result = type(error).__name__
        slots = [conn._multipool_slot for conn in self.all]
        inner = self.pool._inner
        return (
            result,
            [slot and self._seen(slot) for slot in slots],
            [self.all.index(conn) if conn in self.all else None for conn in inner.idle],
            len(inner.waiting),
            self.pool.stats().checkouts,
        )

    def _seen(self, slot):
        names = "serial wary spent touched stack_lease settled_lease has_past _dated".split()
        return (
            [getattr(slot, name) for name in names],
            slot.where(),
            slot.leased is self.pool._inner.home,
            slot.borrower is here.borrower,
            slot.stack and len(slot.stack),
        )


STEPS = sorted(name for name in vars(Half) if not name.startswith("_") and name != "outcome")
# Most of the others are of interest only between these.
STEPS += ["borrow", "give_back", "block"] * 6


@pytest.mark.parametrize("inline", [False, True])
@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=40))
def test_what_is_done_in_c_is_what_is_done_in_python(inline, steps):
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(clock, "asleep", False)  # as in `in_c`
        halves = [Half(monkeypatch, in_c, inline) for in_c in (True, False)]
        try:
            for number, step in enumerate(steps):
                ours, theirs = (half.outcome(step) for half in halves)
                assert ours == theirs, steps[: number + 1]
        finally:
            for half in halves:
                half.pool.close(timeout=0)
