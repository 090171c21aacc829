"""What a transaction is begun with: isolation level, read-only, deferrable."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from multipool_pg8000 import messages


class IsolationLevel(IntEnum):
    """The isolation levels, with psycopg2's numbers."""

    READ_COMMITTED = 1
    REPEATABLE_READ = 2
    SERIALIZABLE = 3
    READ_UNCOMMITTED = 4

    @property
    def sql(self) -> str:
        return self.name.replace("_", " ")


#: Puts a setting back to what the server has.
DEFAULT: Final = "DEFAULT"


def isolation(value: int | str | None) -> IsolationLevel | None:
    """Return the level meant by a number, or a name such as ``"serializable"``.

    None and ``"default"`` are the server's own. Raises ValueError.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if value.upper() == DEFAULT:
            return None
        found = IsolationLevel.__members__.get(value.upper().replace(" ", "_"))
        if found is not None:
            return found
    elif value in IsolationLevel.__members__.values():
        return IsolationLevel(value)
    allowed = ", ".join(f"{level.sql!r} ({level.value})" for level in IsolationLevel)
    raise ValueError(f"isolation level {value!r}: must be one of {allowed}, or None")


def flag(name: str, value: bool | str | None) -> bool | None:
    """Return a setting that is on, off or (None, ``"default"``) the server's own.

    Raises ValueError.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.upper() == DEFAULT:
        return None
    raise ValueError(f"{name} must be True, False or None, not {value!r}")


def begin(level: IsolationLevel | None, readonly: bool | None, deferrable: bool | None) -> bytes:
    """Return what begins a transaction with these characteristics, ahead of a statement."""
    words = ["BEGIN"]
    if level is not None:
        words.append(f"ISOLATION LEVEL {level.sql}")
    if readonly is not None:
        words.append("READ ONLY" if readonly else "READ WRITE")
    if deferrable is not None:
        words.append("DEFERRABLE" if deferrable else "NOT DEFERRABLE")
    return messages.ahead(" ".join(words))


# The session's defaults, by what they are called on a connection.
_DEFAULTS: Final = {
    "isolation": "default_transaction_isolation",
    "readonly": "default_transaction_read_only",
    "deferrable": "default_transaction_deferrable",
}


def defaults(changes: Mapping[str, IsolationLevel | bool | None]) -> bytes:
    """Return what makes *changes* the session's defaults, for where no transaction is begun."""
    texts = []
    for name, value in changes.items():
        if isinstance(value, IsolationLevel):
            text = f"'{value.sql.lower()}'"
        else:
            text = DEFAULT if value is None else str(value)
        texts.append(f"SET {_DEFAULTS[name]} TO {text}")
    return messages.query("; ".join(texts).encode())
