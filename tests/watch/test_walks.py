"""The walks through a stack in C come to what those in Python come to."""

import sys
import threading

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

NAMES = ("whole", "caller", "site_of", "outermost")

FILES = [
    "/app/views.py",
    "/app/models.py",
    "/venv/site-packages/shop.py",
    "<string>",
    "<frozen os>",
]


def function_of(file, name="go", module="shop"):
    """Return a function of that file, which calls the first of a list with the rest."""
    names = {"__name__": module}
    exec(compile(f"def {name}(rest): return rest[0](rest[1:])", file, "exec"), names)
    return names[name]


def module_of(file):
    """Return a library's function that executes a module of that file, which goes on like these."""
    module = compile("result = rest[0](rest[1:])", file, "exec")
    source = "def go(rest):\n    names['rest'] = rest\n    exec(module, names)"
    names = {"__name__": "runpy", "module": module, "names": {"__name__": "script"}}
    exec(compile(source, FILES[2], "exec"), names)
    return names["go"]


FUNCTIONS = [function_of(file) for file in FILES]
OURS, LIBRARYS = FUNCTIONS[0], FUNCTIONS[2]
OTHER, MODULE = FUNCTIONS[1], module_of(FILES[0])
#: What is looked for, and what has only its name, or its module.
COMMAND = function_of(FILES[2], "execute", "base")
COMMANDS = [
    COMMAND,
    function_of(FILES[0], "execute", "base"),
    function_of(FILES[2], "execute", "other"),
    function_of(FILES[0], "other", "base"),
]


def called_through(chain, walk):
    """Return what *walk* makes of the frame of the last of these functions."""
    first, *rest = [*chain, lambda rest: walk(sys._getframe(1))]
    return first(rest)


def files_of(stack):
    """Return *stack* with the files in the place of the codes: those of one text are equal."""
    return [getattr(part, "co_filename", part) for part in stack]


@pytest.fixture(scope="module")
def in_c():
    return dict(zip(NAMES, compiled.bound_to(is_library), strict=True))


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


def outermost_in_a_thread(chain, *both, name="execute"):
    """Return what each of *both* finds from the last of these on, in a thread of a library's."""
    found = []

    def last(_):
        frame = sys._getframe(1)
        found.extend(walk(frame, name, "base") for walk in both)

    thread = threading.Thread(target=LIBRARYS, args=([*chain, last],))
    thread.start()
    thread.join()
    return found


@settings(max_examples=100, deadline=None)
@given(
    chain=st.lists(
        st.sampled_from([*FUNCTIONS, *COMMANDS, *map(module_of, FILES[::2])]), max_size=12
    )
)
def test_the_outermost_is_the_same(in_c, chain):
    ours, theirs = outermost_in_a_thread(chain, in_c["outermost"], walks.outermost)
    assert ours is theirs


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ([], None),
        ([LIBRARYS, LIBRARYS], None),
        ([LIBRARYS, OURS, LIBRARYS, OTHER, LIBRARYS], OURS),
        ([MODULE, LIBRARYS], None),
        ([MODULE, OTHER, OURS], OTHER),
        ([COMMAND, OURS], COMMAND),
        ([OURS, COMMAND, LIBRARYS], COMMAND),
        ([COMMANDS[2], OURS], OURS),
        ([COMMANDS[3], OURS], COMMANDS[3]),
    ],
    ids=str,
)
def test_the_outermost_is_a_function_of_the_application_s_or_the_named_one(in_c, chain, expected):
    equal = "".join(["exe", "cute"])  # and no string that the interpreter has but once
    for found in [
        *outermost_in_a_thread(chain, in_c["outermost"], walks.outermost),
        *outermost_in_a_thread(chain, in_c["outermost"], name=equal),
    ]:
        assert (found and found.f_code) is (expected and expected.__code__)


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
    for arguments in [
        ("frame", "execute", "base"),
        (sys._getframe(), 1, "base"),
        (sys._getframe(), "execute"),
        (),
    ]:
        with pytest.raises(TypeError, match="outermost takes"):
            in_c["outermost"](*arguments)


def test_walks_leave_nothing_behind(in_c):
    def some(count):
        for _ in range(count):
            in_c["site_of"](in_c["whole"](sys._getframe()))
            in_c["caller"](sys._getframe())
            in_c["outermost"](sys._getframe(), "execute", "base")
        return sys.getallocatedblocks()

    some(50)
    before = some(10)
    assert some(2000) - before < 500
