"""What a connection is borrowed for: a view, a task, a management command, or whatever else asks.

No path of a request and no parameter is ever told: of a view its name and its route.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, TypeVar

import django
from django.core.signals import request_finished, request_started

from multipool.slot import Slot
from multipool.watch.library import is_library
from multipool.watch.stacks import CUT, Stack
from multipool.watch.usage import OTHERS, Errand

Key = TypeVar("Key")
Value = TypeVar("Value")

#: A route is told up to here.
_LONGEST: Final = 200

#: Where a management command is run: the module, and the method.
_COMMANDS: Final = ("django.core.management.base", "execute")

#: Where there is no function of the application's.
_NOTHING: Final[Errand] = ("code", "no function", "")

#: The file of that module.
_COMMANDS_FILE: Final = str(Path(django.__file__).parent / "core" / "management" / "base.py")

#: By the innermost place of a stack, which the stack keeps alive: the whole stack, and what was
#: found in it. No more than so many, as of the others.
_found: Final[dict[tuple[int, int], tuple[Stack, Errand]]] = {}
#: By the place that asked for a lease: its code, and what was found when it asked first. Its
#: stack was not deep, so that of a statement is whole, which comes from further in.
_askers: Final[dict[tuple[int, int], tuple[CodeType, Errand]]] = {}
#: What was found where this function was the outermost.
_outermost: Final[dict[CodeType, Errand]] = {}
_MOST: Final = 500
#: So many frames below are not deep.
_SHALLOW: Final = 12

# A context variable, so that it reaches what async views run in threads.
_view: Final[ContextVar[Errand | None]] = ContextVar("multipool_view", default=None)


#: Returns the view that runs here, as soon as the request was resolved to it.
view: Final[Callable[[], Errand | None]] = _view.get


def of_lease(slot: Slot) -> Errand:
    """Return what runs here and is no view, by the stack of the lease of *slot*, if it was kept.

    To walk a stack once more takes as long as to keep it, so what was found before is looked up
    by the stack that it was found in. Of a command that would not tell whose instance runs.
    """
    if (errand := _of_task()) is not None:
        return errand
    stack = slot.stack
    if stack is None or slot.stack_lease != slot.serial or len(stack) >= CUT:
        return of_caller()
    known = _found.get((id(stack[0]), stack[1]))
    if known is not None and known[0] == stack:
        return known[1]
    errand = of_caller()
    if errand[0] == "code":
        _keep(_found, (id(stack[0]), stack[1]), (stack, errand))
    return errand


def of_asker(slot: Slot) -> Errand | None:
    """Return what runs here and is no view; None: `of_stack` will tell.

    That is where the line that asked for the lease of *slot* has asked before, and neither for a
    command nor from deep down.
    """
    if (task := _of_task()) is not None:
        return task
    code, place = slot.code, (id(slot.code), slot.lasti)
    if place in _askers:
        return None
    errand, depth = _look(code)
    if errand[0] == "code" and code is not None and depth <= _SHALLOW:
        _keep(_askers, place, (code, errand))
    return errand


def of_stack(stack: Stack) -> Errand:
    """Return what ran where `of_asker` did not tell, by the stack of the lease's first statement.

    Or by the place that asked, if there was none.
    """
    place = id(stack[0]), stack[1]
    if len(stack) == 2:
        asker = _askers.get(place)
        return OTHERS if asker is None else asker[1]
    known = _found.get(place)
    if known is not None and known[0] == stack:
        return known[1]
    errand = _read(stack)
    _keep(_found, place, (stack, errand))
    return errand


def _read(stack: Stack) -> Errand:
    """Return what *stack* tells, of which there are no frames any more."""
    codes: list[CodeType] = [*stack[::2]]
    outermost: CodeType | None = None
    files: list[str] = []
    for code in codes:
        if code.co_name == _COMMANDS[1] and code.co_filename == _COMMANDS_FILE:
            # As a rule the file has the name of the command, which an instance would tell.
            return "command", Path(files[-1]).stem if files else "?", ""
        if code.co_filename != _COMMANDS_FILE:
            files.append(code.co_filename)
        if not (is_library[code.co_filename] or code.co_name == "<module>"):
            outermost = code
    if outermost is None:
        return _NOTHING
    known = _outermost.get(outermost)
    if known is not None:
        return known
    file = outermost.co_filename
    modules = [*sys.modules.items()]
    names = (name for name, module in modules if getattr(module, "__file__", None) == file)
    return _of_function(outermost, next(names, "?"))


def of_caller() -> Errand:
    """Return what runs here, which may be no view: it is read off the stack.

    That is Celery's task; else the management command; or the outermost function of the
    application, as that of a thread is.
    """
    errand = _view.get() or _of_task()
    if errand is not None:
        return errand
    return _look()[0]


def _look(asker: CodeType | None = None) -> tuple[Errand, int]:
    """Return what runs here and is no view, and how deep down *asker* is."""
    frame: FrameType | None = sys._getframe(1)
    outermost: FrameType | None = None
    depth = 0
    while frame is not None:
        code = frame.f_code
        depth = 0 if code is asker else depth + 1
        if code.co_name == _COMMANDS[1] and frame.f_globals.get("__name__") == _COMMANDS[0]:
            command = type(frame.f_locals["self"]).__module__
            return ("command", command.rpartition(".")[2], ""), depth
        if not (is_library[code.co_filename] or code.co_name == "<module>"):
            outermost = frame
        frame = frame.f_back
    if outermost is None:
        return _NOTHING, depth
    errand = _of_function(outermost.f_code, outermost.f_globals.get("__name__", "?"))
    _keep(_outermost, outermost.f_code, errand)
    return errand, depth


def _of_function(code: CodeType, module: str) -> Errand:
    return "code", f"{module}.{code.co_qualname}", ""


def _keep(known: dict[Key, Value], key: Key, value: Value) -> None:
    if len(known) >= _MOST:
        known.clear()
    known[key] = value


def _of_task() -> Errand | None:
    """Return Celery's task that runs here, where somebody has loaded Celery."""
    celery: Any = sys.modules.get("celery")
    if celery is None:
        return None
    task = celery.current_task._get_current_object()
    return None if task is None else ("task", task.name, "")


def _at_start(**_: Any) -> None:
    _heed_views()
    _view.set(None)


def _at_end(**_: Any) -> None:
    _view.set(None)


def _heed_views() -> None:
    """Have Django's handlers tell to which view they resolve a request, from now on."""
    # Not imported before there is a request: commands have no use for it.
    from django.core.handlers.base import BaseHandler

    resolve = BaseHandler.resolve_request
    if hasattr(resolve, "_multipool_resolve"):
        return

    def resolve_request(self: BaseHandler, request: Any) -> Any:
        match = resolve(self, request)
        _view.set(("view", match.view_name, "/" + match.route[:_LONGEST]))
        return match

    # No type says that a function has this attribute, or that a method may be replaced.
    resolve_request._multipool_resolve = resolve  # type: ignore[attr-defined]
    BaseHandler.resolve_request = resolve_request  # type: ignore[method-assign]


request_started.connect(_at_start, dispatch_uid="multipool_django.errands")
request_finished.connect(_at_end, dispatch_uid="multipool_django.errands")
