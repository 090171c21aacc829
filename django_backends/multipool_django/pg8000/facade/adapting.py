"""psycopg2's adapters: what makes an SQL literal of a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from multipool_pg8000.defaults import adapters
from multipool_pg8000.literals import literal
from multipool_pg8000.values import Dumped, Inline


class Quotable(Protocol):
    """What psycopg2 calls ``ISQLQuote``."""

    def getquoted(self) -> bytes: ...


class Adapted:
    """A value that can be written as a literal."""

    #: Set by callers of psycopg2's; the literal is UTF-8 here whatever it says.
    encoding = "utf8"

    def __init__(self, adapted: Any) -> None:
        self.adapted = adapted

    def getquoted(self) -> bytes:
        """Return the literal. Raises `ProgrammingError` for a type that nothing can adapt."""
        return literal(adapters.dump(self.adapted)).encode()


class QuotedString(Adapted):
    """A text."""


def adapt(value: Any) -> Adapted:
    """Return *value* as something that has a literal."""
    return Adapted(value)


def register_adapter(cls: type, adapter: Callable[[Any], Quotable]) -> None:
    """Send values of *cls* as *adapter* quotes them, in the whole process."""
    if adapter is QuotedString:
        # Bound like any text, so that the statement's text does not change with the value.
        # Not str(value): a SafeString's is itself.
        adapters.register_dumper(cls, lambda value, registry: registry.dump(str.__str__(value)))
    else:
        adapters.register_dumper(cls, lambda value, registry: _inline(adapter(value)))


def _inline(quotable: Quotable) -> Dumped:
    return Inline(quotable.getquoted().decode())
