"""The walks through a stack in C come to what those in Python come to."""

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from multipool import compiled
from multipool.watch import walks
from multipool.watch.library import is_library

pytestmark = pytest.mark.skipif(
    not compiled.built,
    reason="multipool was built without a C compiler: install one, and multipool again",
)

FILES = [
    "/app/views.py",
    "/app/models.py",
    "/venv/site-packages/shop.py",
    "<string>",
    "<frozen os>",
]


def function_of(file):
    """Return a function of that file, which calls the first of a list with the rest."""
    names = {}
    exec(compile("def go(rest): return rest[0](rest[1:])", file, "exec"), names)
    return names["go"]


FUNCTIONS = [function_of(file) for file in FILES]
OURS, LIBRARYS = FUNCTIONS[0], FUNCTIONS[2]


def called_through(chain, walk):
    """Return what *walk* makes of the frame of the last of these functions."""
    first, *rest = [*chain, lambda rest: walk(sys._getframe(1))]
    return first(rest)


def files_of(stack):
    """Return *stack* with the files in the place of the codes: those of one text are equal."""
    return [getattr(part, "co_filename", part) for part in stack]


@pytest.fixture(scope="module")
def in_c():
    return dict(zip(("whole", "caller", "site_of"), compiled.bound_to(is_library), strict=True))


@settings(max_examples=60, deadline=None)
@given(chain=st.lists(st.sampled_from([*FUNCTIONS, *[LIBRARYS] * 20]), min_size=1, max_size=140))
@example(chain=[LIBRARYS] * 140)
@example(chain=[LIBRARYS] * 70 + [OURS] * 4 + [LIBRARYS] * 60)
@example(chain=[LIBRARYS] * 20)
def test_a_stack_is_the_same(in_c, chain):
    for name in ("whole", "caller"):
        both = (in_c[name], getattr(walks, name))
        ours, theirs = (files_of(called_through(chain, walk)) for walk in both)
        assert ours == theirs
    stack = called_through(chain, walks.whole)
    assert files_of(in_c["site_of"](stack)) == files_of(walks.site_of(stack))


@settings(max_examples=60, deadline=None)
@given(files=st.lists(st.sampled_from(FUNCTIONS), min_size=1, max_size=4))
@example(files=[LIBRARYS] * 3)
def test_a_site_is_the_same_of_a_list_and_of_a_place_alone(in_c, files):
    stack = [part for place, file in enumerate(files) for part in (file.__code__, place)]
    assert in_c["site_of"](stack) == walks.site_of(stack)
    assert in_c["site_of"](tuple(stack[:2])) == walks.site_of(stack[:2])


def test_what_was_forgotten_is_learnt_again(in_c, tmp_path):
    function = function_of(str(tmp_path / "site-packages" / "more.py"))
    stack = [function.__code__, 0, OURS.__code__, 2]
    for _ in range(2):
        assert in_c["site_of"](stack) == (OURS.__code__, 2)
        assert is_library.pop(function.__code__.co_filename)


def test_no_stack_has_no_site_and_no_frame_has_no_stack(in_c):
    assert in_c["whole"](None) == []
    with pytest.raises(IndexError):
        in_c["site_of"]([])
    with pytest.raises(TypeError, match="no code"):
        in_c["site_of"]([1, 2])
    for walk in ("whole", "caller"):
        with pytest.raises(TypeError, match="no frame"):
            in_c[walk]("frame")


def test_walks_leave_nothing_behind(in_c):
    def some(count):
        for _ in range(count):
            in_c["site_of"](in_c["whole"](sys._getframe()))
            in_c["caller"](sys._getframe())
        return sys.getallocatedblocks()

    some(50)
    before = some(10)
    assert some(2000) - before < 500
