"""What a connection is borrowed for: a view, a task, a management command, or whatever else asks.

No path of a request and no parameter is ever told: of a view its name and its route.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType
from typing import Any, Final

from django.core.signals import request_finished, request_started

from multipool.watch.stacks import outermost
from multipool.watch.usage import Errand

#: A route is told up to here.
_LONGEST: Final = 200

#: What runs a management command, and its module.
_EXECUTE: Final = "execute"
_COMMANDS: Final = "django.core.management.base"

#: Where there is no function of the application's.
_NOTHING: Final[Errand] = ("code", "no function", "")

#: What a function is told as, by the ``id`` of its code, which is kept alive, and its module. No
#: more than so many.
_functions: Final[dict[tuple[int, str], tuple[CodeType, Errand]]] = {}
_MOST: Final = 500

# A context variable, so that it reaches what async views run in threads.
_view: Final[ContextVar[Errand | None]] = ContextVar("multipool_view", default=None)


#: Returns the view that runs here, as soon as the request was resolved to it.
view: Final[Callable[[], Errand | None]] = _view.get


def of_caller(depth: int) -> Errand:
    """Return what runs here, which may be no view: it is read off the stack.

    That is Celery's task; else the management command; or the outermost function of the
    application, as that of a thread is. *depth* is that of who asked, as `Pool.getconn` takes it:
    of a stack that is read from there on few frames are left.
    """
    errand = _view.get()
    if errand is None and "celery" in sys.modules:
        errand = _of_task()
    if errand is not None:
        return errand
    frame = outermost(sys._getframe(depth), _EXECUTE, _COMMANDS)
    if frame is None:
        return _NOTHING
    code, module = frame.f_code, frame.f_globals.get("__name__") or "?"
    if module == _COMMANDS and code.co_name == _EXECUTE:
        command = type(frame.f_locals["self"]).__module__
        return "command", command.rpartition(".")[2], ""
    known = _functions.get((id(code), module))
    return _of_function(code, module) if known is None else known[1]


def _of_function(code: CodeType, module: str) -> Errand:
    if len(_functions) >= _MOST:
        _functions.clear()
    errand: Errand = "code", f"{module}.{code.co_qualname}", ""
    _functions[id(code), module] = code, errand
    return errand


def _of_task() -> Errand | None:
    """Return Celery's task that runs here, where somebody has loaded Celery."""
    current: Any = getattr(sys.modules.get("celery"), "current_task", None)
    if current is None:  # another thread imports it just now, or it is somebody else's
        return None
    task = current._get_current_object()
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
        # A resolver of somebody's own need not tell a route.
        _view.set(("view", match.view_name, "/" + (match.route or "")[:_LONGEST]))
        return match

    # No type says that a function has such an attribute, or that a method may be replaced.
    ours: Any = resolve_request
    handler: Any = BaseHandler
    ours._multipool_resolve = resolve
    handler.resolve_request = ours


request_started.connect(_at_start, dispatch_uid="multipool_django.errands")
request_finished.connect(_at_end, dispatch_uid="multipool_django.errands")
