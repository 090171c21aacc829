"""What a connection is borrowed for: a view, a task, a management command, or whatever else asks.

No path of a request and no parameter is ever told: of a view its name and its route.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final

from django.core.signals import request_finished, request_started

from multipool.slot import Slot
from multipool.watch.library import is_library
from multipool.watch.stacks import CUT, Stack
from multipool.watch.usage import Errand

#: A route is told up to here.
_LONGEST: Final = 200

#: Where a management command is run: the module, and the method.
_COMMANDS: Final = ("django.core.management.base", "execute")

#: By the innermost place of a lease's stack, which the stack keeps alive: the whole stack, and
#: what was found in it. No more than so many.
_found: Final[dict[tuple[int, int], tuple[Stack, Errand]]] = {}
_MOST: Final = 500

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
    place = id(slot.code), slot.lasti
    known = _found.get(place)
    if known is not None and known[0] == stack:
        return known[1]
    errand = of_caller()
    if errand[0] == "code":
        if len(_found) >= _MOST:
            _found.clear()
        _found[place] = stack, errand
    return errand


def of_caller() -> Errand:
    """Return what runs here, which may be no view: it is read off the stack.

    That is Celery's task; else the management command; or the outermost function of the
    application, as that of a thread is.
    """
    errand = _view.get() or _of_task()
    if errand is not None:
        return errand
    frame: FrameType | None = sys._getframe(1)
    outermost: FrameType | None = None
    while frame is not None:
        code = frame.f_code
        if code.co_name == _COMMANDS[1] and frame.f_globals.get("__name__") == _COMMANDS[0]:
            command = type(frame.f_locals["self"]).__module__
            return "command", command.rpartition(".")[2], ""
        if not (is_library[code.co_filename] or code.co_name == "<module>"):
            outermost = frame
        frame = frame.f_back
    if outermost is None:
        return "code", "no function", ""
    module = outermost.f_globals.get("__name__", "?")
    return "code", f"{module}.{outermost.f_code.co_qualname}", ""


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
