r"""Which way a statement goes to the server, decided here and before anything is sent.

1. Without parameters: as it stands, by the simple protocol.
2. With parameters, bound by the extended protocol, each with a type (`values.Typed`), if

   - ``binding="server"`` (the default), and
   - the first word is SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, WITH, EXPLAIN or
     DECLARE, or the text begins with a parenthesis: the server takes parameters in no
     other statement (``SET``, ``CREATE``, ``COPY``, ...), and
   - the text is a single statement, and
   - no placeholder stands inside quotes or a comment, and
   - there are at most 65535 values.

   Some values stand in the text of such a statement nevertheless, as literals:

   - NULL, and what a dumper gives as SQL (a tuple after ``IN``): they have no type;
   - a value that is only asked whether it ``IS NULL``, and a text without a type in a
     statement that calls a function of ``"any"`` type, such as ``concat``: the server would
     not know its type;
   - a value after a type's name, as in ``interval %s`` or ``jsonb %s``, after ``IS`` and
     ``IS NOT``, and the field of ``extract(%s from ...)``: the grammar wants a literal there;
   - the value of ``%s::interval day``: the field says in what unit a bare number is counted,
     but of a literal only;
   - a value that is a whole item of ORDER BY, GROUP BY or DISTINCT ON: as a parameter, a
     column's number would be a constant, by which nothing is sorted;
   - a value that occurs several times in a statement with GROUP BY or DISTINCT: two
     parameters are two different expressions for the server, however equal they are.

3. Otherwise all values are written into the text as literals (`literals`), and the text
   goes by the simple protocol.

Nothing is decided by trying.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from itertools import count
from typing import Any, Final, NamedTuple

from multipool.placeholders import Statement, join
from multipool_pg8000 import messages, oids
from multipool_pg8000.literals import literal
from multipool_pg8000.values import NULL, Dumped, Inline, Typed

BINDINGS: Final = ("server", "client")

_BINDABLE: Final = frozenset(
    ["", "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "WITH", "EXPLAIN", "DECLARE"]
)
_MOST_PARAMETERS: Final = 65535


class Prepared(NamedTuple):
    """A statement ready to be sent."""

    message: bytes
    #: The text as the server sees it.
    text: str


def plain(text: str, encoding: str) -> Prepared:
    """Return a statement without parameters."""
    return Prepared(messages.query(text.encode(encoding)), text)


def bind(statement: Statement, values: Sequence[Dumped], binding: str, encoding: str) -> Prepared:
    """Return *statement* with *values*, one for each placeholder."""
    if binding == "client" or not _is_bindable(statement, values):
        return plain(merge(statement, values), encoding)
    apart = _to_stand_in_the_text(statement, values)
    text = _numbered(statement, values, apart) if apart else statement.numbered
    # Whatever has no type stands apart.
    bound: Any = values
    if apart:
        bound = [value for index, value in enumerate(values) if index not in apart]
    return Prepared(messages.extended(text, bound, encoding), text)


def numbered(statement: Statement, values: Sequence[Dumped]) -> tuple[str, list[Typed]] | None:
    """Return the text with numbers for all values but NULL, and these values.

    None for a statement whose text depends on its values in other ways, or is not bound.
    """
    if not _is_bindable(statement, values):
        return None
    apart = _to_stand_in_the_text(statement, values)
    if any(values[index] != NULL for index in apart):
        return None
    text = _numbered(statement, values, apart) if apart else statement.numbered
    return text, [value for value in values if isinstance(value, Typed)]


def _numbered(statement: Statement, values: Sequence[Dumped], apart: Set[int]) -> str:
    """Return the text with the values at the places *apart* in it, and numbers for the others."""
    numbers = count(1)
    marks = [
        literal(value) if index in apart else f"${next(numbers)}"
        for index, value in enumerate(values)
    ]
    return join(statement.parts, marks)


def merge(statement: Statement, values: Sequence[Dumped]) -> str:
    """Return the text of *statement* with each value written into it as a literal."""
    pieces = [statement.parts[0]]
    for value, part in zip(values, statement.parts[1:], strict=True):
        pieces += literal(value), part
    return "".join(pieces)


def _is_bindable(statement: Statement, values: Sequence[Dumped]) -> bool:
    return (
        statement.word in _BINDABLE
        and not statement.several
        and not statement.quoted
        and len(values) <= _MOST_PARAMETERS
    )


def _to_stand_in_the_text(statement: Statement, values: Sequence[Dumped]) -> set[int]:
    """Return the places of the values that must be literals in a statement that is bound."""
    apart = {index for index, value in enumerate(values) if isinstance(value, Inline)}
    if statement.literals_only:
        apart |= statement.literals_only
    if statement.anytyped:
        apart.update(index for index, value in enumerate(values) if value[0] == oids.UNKNOWN)
    if statement.grouped:
        times = Counter(values)
        apart.update(index for index, value in enumerate(values) if times[value] > 1)
    return apart
