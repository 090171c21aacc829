"""Which frames are kept, and how they are shown."""

import gc
import json
import re
import sys
import weakref
from pathlib import Path

import pytest
from support import Thread, line_of

from multipool import Pool, PoolTimeout
from multipool.slot import Slot
from multipool.testing.fake import FakeDriver
from multipool.watch.library import application, is_library
from multipool.watch.stacks import caller, lines_of, site_of, whole


def deep(levels, function):
    return function() if levels == 0 else deep(levels - 1, function)


def in_a_library(function, levels=1):
    """Call *function* from code that counts as the standard library's, *levels* frames of it."""
    text = "def go(n, function): return function() if n == 1 else go(n - 1, function)"
    names = {}
    exec(compile(text, json.__file__, "exec"), names)
    return names["go"](levels, function)


ASKED = line_of(in_a_library, 'names["go"](')


def test_the_calling_frame_is_the_innermost_of_the_application():
    assert lines_of(in_a_library(lambda: caller(sys._getframe(1)), levels=3)) == (ASKED,)
    assert lines_of(deep(3, lambda: caller(sys._getframe(1)))) == (line_of(deep, "function()"),)


def test_where_there_is_none_of_the_application_it_is_the_caller_itself():
    stack = []
    thread = Thread(lambda: in_a_library(lambda: stack.append(caller(sys._getframe(1))), 150))
    thread.outcome()
    ((code, _),) = stack
    assert code.co_name == "go"


def test_24_frames_are_kept_where_five_of_the_application_are_among_them():
    stack = deep(50, lambda: whole(sys._getframe()))
    assert len(stack) == 2 * 24


def test_more_are_kept_until_five_of_the_application_are_among_them():
    stack = deep(50, lambda: in_a_library(lambda: whole(sys._getframe(1)), levels=40))
    names = [code.co_name for code in stack[::2]]
    assert names == ["go"] * 40 + ["in_a_library", "<lambda>", "deep", "deep", "deep"]


def test_never_more_than_a_hundred_are_kept():
    stack = in_a_library(lambda: whole(sys._getframe(1)), levels=300)
    assert len(stack) == 2 * 100


def test_the_applications_frames_come_first_the_innermost_on_top():
    def here():
        return in_a_library(lambda: whole(sys._getframe(1)), levels=2)

    lines = lines_of(here())
    assert lines[:2] == (ASKED, line_of(here, "in_a_library"))
    libraries = [is_library[line.rpartition(":")[0]] for line in lines]
    assert libraries == sorted(libraries)
    assert any(libraries)


def test_the_site_of_a_stack_is_its_first_frame_of_the_application():
    stack = in_a_library(lambda: whole(sys._getframe(1)), levels=2)
    assert lines_of(site_of(stack)) == (ASKED,)


def test_what_lives_in_a_frame_dies_with_it():
    class Something:
        pass

    def here():
        something = Something()
        return weakref.ref(something), whole(sys._getframe()), caller(sys._getframe())

    alive, stack, place = here()
    gc.collect()
    assert alive() is None
    assert lines_of(stack)[0] == lines_of(place)[0]


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        (json.__file__, True),
        (pytest.__file__, True),
        ("/srv/venv/lib/python3.12/site-packages/django/db/models/query.py", True),
        ("/usr/lib/python3/dist-packages/psycopg2/__init__.py", True),
        ("<frozen importlib._bootstrap>", True),
        ("/srv/shop/views.py", False),
        ("<string>", False),
        (__file__, False),
    ],
)
def test_installed_code_is_a_librarys_and_all_else_the_applications(filename, expected):
    assert is_library[filename] is expected


def test_multipool_itself_is_a_library_wherever_it_lies():
    assert is_library[sys.modules["multipool.pool"].__file__]


def test_an_application_that_is_installed_can_be_told_apart():
    folder = Path("/srv/venv/lib/python3.12/site-packages/shop")
    assert is_library[str(folder / "views.py")]
    is_library.exempt(folder)
    assert not is_library[str(folder / "views.py")]
    assert is_library[str(folder.parent / "other" / "views.py")]


def test_a_folder_that_is_counted_as_a_librarys_later_is_so_from_then_on(tmp_path):
    filename = str(tmp_path / "views.py")
    assert not is_library[filename]
    assert filename in application
    is_library.add(tmp_path)
    assert filename not in application
    assert is_library[filename]
    assert filename not in application


def test_a_lease_made_in_a_recursion_is_shown_with_the_callers_that_all_of_its_calls_have():
    def first_statement(levels):
        return whole(sys._getframe()) if levels == 0 else first_statement(levels - 1)

    stack = first_statement(3)
    slot = Slot(lambda: None)
    slot.code, slot.lasti = first_statement.__code__, 7
    made, lasti, *callers = slot.checked_out_at(stack)
    assert (made, lasti) == (first_statement.__code__, 7)
    assert callers == list(stack[2 * 4 :])


def test_an_exhausted_pool_names_the_applications_line_too_where_a_library_took_the_connection():
    pool = Pool("", driver=FakeDriver(), max_size=1, trace="full")
    conn = in_a_library(pool.getconn)
    with pytest.raises(PoolTimeout) as caught:
        pool.getconn(timeout=0)
    assert re.search(
        rf"checked out at \S*json\S*:1 in go, called at {re.escape(ASKED)}", str(caught.value)
    )
    pool.putconn(conn)
    pool.close()


def test_no_end_of_files_is_remembered(monkeypatch):
    monkeypatch.setattr("multipool.watch.library._MOST", 10)
    for number in range(50):
        assert not is_library[f"<rule {number}>"]
    assert len(is_library) <= 10
