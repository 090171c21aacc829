"""What an ErrorResponse or NoticeResponse says, field by field."""

from __future__ import annotations

from typing import Final

#: psycopg's names for the protocol's one-letter field codes.
_FIELDS: Final = {
    "severity": "S",
    "severity_nonlocalized": "V",
    "sqlstate": "C",
    "message_primary": "M",
    "message_detail": "D",
    "message_hint": "H",
    "statement_position": "P",
    "internal_position": "p",
    "internal_query": "q",
    "context": "W",
    "schema_name": "s",
    "table_name": "t",
    "column_name": "c",
    "datatype_name": "d",
    "constraint_name": "n",
    "source_file": "F",
    "source_line": "L",
    "source_function": "R",
}

# How much of a long line is shown around the position of an error, in characters.
_SHOWN: Final = 60


_ERRORS: Final = ("ERROR", "FATAL", "PANIC")


class Diagnostics:
    """The fields of a server message by psycopg's names; what was not sent is None."""

    severity: str | None
    severity_nonlocalized: str | None
    sqlstate: str | None
    message_primary: str | None
    message_detail: str | None
    message_hint: str | None
    statement_position: str | None
    internal_position: str | None
    internal_query: str | None
    context: str | None
    schema_name: str | None
    table_name: str | None
    column_name: str | None
    datatype_name: str | None
    constraint_name: str | None
    source_file: str | None
    source_line: str | None
    source_function: str | None

    def __init__(self, fields: dict[str, str]) -> None:
        for name, code in _FIELDS.items():
            setattr(self, name, fields.get(code))

    def message(self, statement: str | None = None) -> str:
        """Return the text as libpq prints it, without the severity.

        With *statement* the line that the error's position points to is shown.
        """
        lines = [self.message_primary or "the server gave no message"]
        if statement is not None and self.statement_position:
            lines += _excerpt(statement, int(self.statement_position))
        elif self.internal_query and self.internal_position:
            lines += _excerpt(self.internal_query, int(self.internal_position))
        for label, text in (
            ("DETAIL", self.message_detail),
            ("HINT", self.message_hint),
            ("QUERY", self.internal_query),
            # libpq shows where an error came from, but not a notice.
            ("CONTEXT", self.context if self.severity_nonlocalized in _ERRORS else None),
        ):
            if text:
                lines.append(f"{label}:  {text}")
        return "\n".join(lines) + ("\n" if len(lines) > 1 else "")


def parse(body: bytes, encoding: str) -> dict[str, str]:
    """Return the fields of an ErrorResponse or NoticeResponse by their one-letter codes."""
    return {
        chr(field[0]): str(field[1:], encoding, "replace") for field in body.split(b"\0") if field
    }


def _excerpt(statement: str, position: int) -> list[str]:
    """Return the line around character *position* (from 1), and a line with a caret under it."""
    at = min(position - 1, len(statement))
    start = statement.rfind("\n", 0, at) + 1
    end = statement.find("\n", at)
    line = statement[start : end if end >= 0 else len(statement)].replace("\t", " ")
    column = at - start
    cut = max(0, column - _SHOWN // 2)
    shown = line[cut : cut + _SHOWN]
    label = f"LINE {statement.count(chr(10), 0, at) + 1}: "
    head, tail = ("..." if cut else ""), ("..." if cut + _SHOWN < len(line) else "")
    return [
        f"{label}{head}{shown}{tail}",
        " " * (len(label) + len(head) + column - cut) + "^",
    ]
