"""Cursors that tell their connection's `Sight` what they execute, whatever the driver.

They are in front of all others, so that what is told is what the user asked for: the text
before plans make an EXECUTE of it, the time with a BEGIN that travels along.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import Parameter, signature
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from multipool.watch.library import application
from multipool.watch.stacks import caller, site_of, whole

if TYPE_CHECKING:
    from multipool.watch.sight import Sight
    from multipool.watch.stacks import Stack

    class _Base:
        connection: Any
        rowcount: int

        def execute(self, query: Any, *args: Any, **options: Any) -> Any: ...
        def executemany(self, query: Any, *args: Any, **options: Any) -> Any: ...
else:
    _Base = object

_frame = sys._getframe

#: The methods that execute a statement, which is their first argument.
_EXECUTING: Final = ("execute", "executemany", "callproc", "copy_expert", "copy", "stream")

#: What drivers' methods take by name beside a statement and its parameters.
_OPTIONS: Final = frozenset(["binary", "prepare", "size"])

#: Names the class that an observed one was made of.
_BEHIND: Final = "_multipool_behind"


class Observed(_Base):
    """In front of a cursor class of the driver's, or one of ours."""

    __slots__ = ()

    #: The ``execute`` behind, which to look up by `super` takes several times as long.
    _multipool_execute: Any

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute *query*, as the driver does."""
        sight: Sight | None = getattr(self.connection, "_multipool_sight", None)
        if sight is None:
            return super().execute(query, *args, **options)
        tracing = sight.tracing
        if tracing.brief:  # in line and as short as can be
            try:
                frame = _frame(1)
            except ValueError:  # called by no Python code, as in a new thread
                frame = _frame(0)
            code = frame.f_code
            sight.query = (
                (code, frame.f_lasti) if code.co_filename in application else caller(frame)
            )
            sight.query_lease = sight.slot.serial
            sight.statement = query
            try:
                if options or len(args) != 1:
                    return super().execute(query, *args, **options)
                return self._multipool_execute(query, args[0])
            finally:
                sight.quiet_since = perf_counter()
                sight.statement = None
        lines = tracing.counting_lines
        log = tracing.counting or lines
        if log is not None and not options and len(args) < 2 and type(query) is str:
            # In line too: what `Sight.begins` and `ended` do.
            slot = sight.slot
            serial = slot.serial
            stack: Stack | None = None
            if lines is not None:
                try:
                    frame = _frame(1)
                except ValueError:  # called by no Python code, as in a new thread
                    frame = _frame(0)
                code = frame.f_code
                sight.query = stack = (
                    (code, frame.f_lasti) if code.co_filename in application else caller(frame)
                )
            elif sight.foretold == serial:
                sight.query = None
                stack = sight.began()
            if stack is None:
                try:
                    sight.query = stack = whole(_frame(1))
                except ValueError:  # called by no Python code, as in a new thread
                    sight.query = stack = whole(_frame(0))
                if sight.first_lease != serial:
                    sight.first = stack
                    sight.first_lease = serial
            sight.query_lease = serial
            begun = perf_counter()
            sight.statement = query  # last, lest an interrupt leave it there
            try:
                if args:
                    result = self._multipool_execute(query, args[0])
                else:
                    result = self._multipool_execute(query)
            except BaseException as error:
                sight.ended(self, query, site_of(stack), begun, -1, error)
                raise
            sight.quiet_since = now = perf_counter()
            text = log.fingerprints.young.get(hash(query))
            if text is None:
                sight.ended(self, query, site_of(stack), begun, self.rowcount)
                return result
            sight.last = text
            sight.statement = None
            seconds = now - begun
            sight.spent += seconds
            fresh = log.fresh
            fresh.append((text, stack, seconds, self.rowcount))
            if len(fresh) > log.FRESH:
                log.count_fresh()
            return result
        sent, place, begun = query, None, 0.0
        try:
            place = sight.begins(query)
            amend = tracing.amend
            if amend is not None and place is not None:
                sent = amend(self.connection, query, place, has_params(args, options))
            begun = perf_counter()
            # As a rule no more than the parameters are given: unpacking nothing costs a tenth
            # of what it costs to be watched.
            if options or len(args) > 1:
                result = super().execute(sent, *args, **options)
            elif args:
                result = super().execute(sent, args[0])
            else:
                result = super().execute(sent)
        except BaseException as error:
            # Who was interrupted before has executed nothing.
            sight.ended(self, query, place if begun else None, begun, -1, error)
            raise
        sight.ended(self, query, place, begun, self.rowcount)
        return result

    def executemany(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute *query* for each of the parameters, as the driver does."""
        with observing(self, query) as sent:
            return super().executemany(sent, *args, **options)


class observing:  # noqa: N801  # used as a function; @contextmanager costs several times it
    """Tell of what *cursor* executes in a block, whose value is what to execute.

    *fixed*: it stays as it is, whatever anybody would like to add. *params*: it is executed
    with parameters.
    """

    __slots__ = ("_cursor", "_fixed", "_params", "_query", "begun", "place", "rows", "sight")

    def __init__(
        self, cursor: Any, query: Any, *, fixed: bool = False, params: bool = True
    ) -> None:
        self._cursor = cursor
        self._query = query
        self._fixed = fixed
        self._params = params
        #: What is told, when it began, and where that is, if anybody wants to know.
        self.sight: Sight | None = sight_of(cursor.connection)
        #: How many rows, where the cursor's ``rowcount`` does not tell.
        self.rows: int | None = None

    def __enter__(self) -> Any:
        sent, sight = self._query, self.sight
        if sight is not None:
            try:
                self.place = sight.begins(sent)
                amend = sight.tracing.amend
                if amend is not None and self.place is not None and not self._fixed:
                    sent = amend(self._cursor.connection, sent, self.place, self._params)
                self.begun = perf_counter()
            except BaseException as error:  # an interrupt: there will be no end
                sight.ended(self._cursor, self._query, None, 0.0, -1, error)
                raise
        return sent

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.sight is not None:
            rows = self._cursor.rowcount if self.rows is None else self.rows
            rows = rows if error is None else -1
            self.sight.ended(self._cursor, self._query, self.place, self.begun, rows, error)


def has_params(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Return whether what comes after the query of an ``execute`` gives it parameters."""
    if args:
        return args[0] is not None
    # By whichever name, since a user's class may have its own.
    return any(options[name] is not None for name in options.keys() - _OPTIONS)


def sight_of(connection: Any) -> Sight | None:
    """Return what sees *connection*; None if it is none of a pool's that watches."""
    sight: Sight | None = getattr(connection, "_multipool_sight", None)
    return sight


def in_front(mixin: type[Observed], factory: Any) -> type:
    """Return a subclass of the cursor class *factory* that is observed."""
    if issubclass(factory, Observed):
        return factory  # type: ignore[no-any-return]  # it is one
    names = {
        "__module__": factory.__module__,
        "__slots__": (),
        _BEHIND: factory,
        "_multipool_execute": factory.execute,
        **_by_their_names(mixin, factory),
    }
    return type(factory.__name__, (mixin, factory), names)


def _by_their_names(mixin: type[Observed], factory: Any) -> dict[str, Any]:
    """Return methods that take the statement by the name that *factory*, a user's, has for it."""
    found = {}
    for name in _EXECUTING:
        observed, theirs = getattr(mixin, name, None), getattr(factory, name, None)
        if observed is not None and theirs is not None:
            called = _first_of(theirs)
            if called not in (None, _first_of(observed)):
                found[name] = _taking(called, observed)
    return found


def _first_of(method: Any) -> str | None:
    """Return the name of the first argument; None where it is not to be given by name."""
    try:
        _, first, *_ = signature(method).parameters.values()
    except (TypeError, ValueError):  # it is in C, or takes whatever comes
        return None
    return first.name if first.kind is Parameter.POSITIONAL_OR_KEYWORD else None


def _taking(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **options: Any) -> Any:
        if not args and name in options:
            args = (options.pop(name),)
        return method(self, *args, **options)

    return call


def behind(factory: type) -> type:
    """Return the class that *factory* was made of by `in_front`, else itself."""
    found: type = vars(factory).get(_BEHIND, factory)
    return found
