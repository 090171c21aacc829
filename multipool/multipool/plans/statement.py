"""What a pool knows of one statement, and the forms in which it is prepared."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import Any, Final

from multipool.plans.guard import Guard
from multipool.session import touches

#: What the names of ours on the server begin with.
PREFIX: Final = "multipool_"

#: Drops all of ours from the server, and psycopg's, for when it is not known which are there.
DROP_OURS: Final = (
    "do $$ declare name text; begin for name in select p.name"
    " from pg_catalog.pg_prepared_statements p where p.name ~ '^(multipool|_pg3)_\\d+$'"
    " loop execute pg_catalog.format('deallocate %I', name); end loop; end $$"
)

# A statement whose parameters come in more than so many combinations of types.
_MOST_FORMS: Final = 32

_SHOWN: Final = 200

_numbers = itertools.count(1)


class Form:
    """A statement with the types of its parameters, under the name it has on any server.

    A parameter of another type is another statement to PostgreSQL.
    """

    __slots__ = ("__weakref__", "name", "statement")

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.name = f"{PREFIX}{next(_numbers)}"


class Statement:
    """One statement of a pool: its text, who wants it prepared, its forms and its times."""

    __slots__ = (
        *("asked", "forms", "guard", "limits", "obstacle", "plain", "sql", "touches"),
        "wanted",
    )

    def __init__(self, sql: str, guard: Guard, *, limits: bool = False, wanted: bool) -> None:
        self.sql = sql
        self.guard = guard
        #: Whether its LIMIT and OFFSET are parameters, which are not in `sql` then.
        self.limits = limits
        #: It as its text is executed, without anything that became a parameter.
        self.plain = Wording(self)
        #: Whether it leaves something behind in the session, see `Pooled.touch`.
        self.touches = touches(sql)
        #: How many handles ask for it.
        self.asked = 0
        #: Whether anybody does: a handle, or the pool's ``threshold``.
        self.wanted = wanted
        #: Its forms by what the adapter tells them apart by. Any thread may `add` one.
        self.forms: dict[Hashable, Any] = {}
        #: Why it was executed unprepared though somebody wants it prepared, the last time.
        self.obstacle: str | None = None

    def add(self, key: Hashable, form: Any) -> None:
        """Take in another form; the oldest goes if there are too many."""
        self.forms[key] = form
        while len(self.forms) > _MOST_FORMS:
            # Others may do the same just now.
            self.forms.pop(next(iter(tuple(self.forms)), None), None)

    def shown(self) -> str:
        """Return the text for a message: no literal in it, and not too long."""
        # Seldom wanted, and of no use to the rest.
        from multipool.watch.queries.normaliser import normalise

        text = normalise(self.sql)
        return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


class Quick:
    """A statement on one connection, when all that is to be asked is whether its guard trusts it.

    Executions are counted here, and told to the guard by the batch.
    """

    __slots__ = ("calls", "form", "guard", "known", "seconds", "statement")

    def __init__(self, statement: Statement, form: Any) -> None:
        self.statement = statement
        self.guard = statement.guard
        self.form = form
        #: What else the adapter need not find out again.
        self.known: Any = None
        self.calls = 0
        self.seconds = 0.0


class Wording:
    """One text as it is executed: the statement it is, and what of it became parameters."""

    __slots__ = ("statement", "values")

    def __init__(self, statement: Statement, values: tuple[int, ...] = ()) -> None:
        self.statement = statement
        #: Those of LIMIT and OFFSET.
        self.values = values
