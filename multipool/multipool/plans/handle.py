"""What `Pool.prepare` returns: a statement that is prepared for as long as somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from multipool.plans.planner import Planner
    from multipool.plans.statement import Wording

P = ParamSpec("P")
R = TypeVar("R")


class Handle:
    """A statement that is asked for from now on.

    Used as a context manager it is asked for until the end of the block, as a decorator
    while the function runs; both may be used over and over. Else until `close`, whatever
    becomes of this object. The server keeps what is prepared for the next time.
    """

    def __init__(self, planner: Planner, sql: str, wording: Wording) -> None:
        self._planner = planner
        self._sql = sql
        self._wording = wording
        # Not empty while it is asked for since the call that made this. To pop is one step, so
        # it takes no lock, which a forked child might find taken.
        self._pledge = [True]
        wording.statement.asked += 1
        wording.statement.wanted = True

    @property
    def sql(self) -> str:
        """The statement's text; without LIMIT and OFFSET where these are parameters."""
        return self._wording.statement.sql

    def close(self) -> None:
        """Ask no more for the statement, outside of blocks and functions; harmless if repeated."""
        if self._redeem():
            self._planner.ask_no_more(self._wording.statement)

    def __enter__(self) -> Self:
        if not self._redeem():
            # While it is asked for, it stays what it is.
            self._wording = self._planner.ask(self._sql, self._wording)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._planner.ask_no_more(self._wording.statement)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return *function* with the statement asked for while it runs.

        That of a coroutine or generator is while its body runs, and it stays what it is.
        """
        self.close()
        found: Callable[P, R] = wraps(function)(_within(self, function))
        return found

    def _redeem(self) -> bool:
        try:
            return self._pledge.pop()
        except IndexError:
            return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._wording.statement.shown()!r}>"


def _within(handle: Handle, called: Any) -> Any:
    """Return what has the body of *called* run within a block of *handle*, of the same kind."""
    if iscoroutinefunction(called):

        async def await_it(*args: Any, **options: Any) -> Any:
            with handle:
                return await called(*args, **options)

        return await_it
    if isasyncgenfunction(called):

        async def generate_asynchronously(*args: Any, **options: Any) -> Any:
            with handle:
                async with aclosing(called(*args, **options)) as made:
                    async for one in made:
                        yield one

        return generate_asynchronously
    if isgeneratorfunction(called):

        def generate(*args: Any, **options: Any) -> Any:
            with handle:
                return (yield from called(*args, **options))

        return generate

    def call(*args: Any, **options: Any) -> Any:
        with handle:
            return called(*args, **options)

    return call
