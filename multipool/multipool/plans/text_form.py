"""A statement as ``PREPARE`` takes it, and ``EXECUTE`` with its parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from multipool.placeholders import Statement as Parsed
from multipool.placeholders import join
from multipool.plans.literals import NULL, UNKNOWN, Kind, is_short, kind_of
from multipool.plans.statement import Form, Statement

_SEQUENCES: Final = (tuple, list)


def kinds_of(parsed: Parsed, literals: Sequence[bytes]) -> tuple[Kind | None, ...] | None:
    """Return the kind of each parameter, None for NULL, which stays in the text.

    None for all if the statement would not mean the same with these as parameters.
    """
    if parsed.several or parsed.quoted:
        return None
    kinds: list[Kind | None] = []
    for place, literal in enumerate(literals):
        kind = None if literal == NULL else kind_of(literal)
        if kind is None:
            if literal != NULL:
                return None
        elif place in parsed.literals_only or (kind is UNKNOWN and parsed.anytyped):
            return None
        kinds.append(kind)
    if parsed.grouped and len(set(literals)) < len(literals):
        return None  # two parameters are two expressions to GROUP BY, however equal they are
    return tuple(kinds)


class TextForm(Form):
    """One `Form`, with the SQL that prepares and executes it."""

    __slots__ = ("_call", "_digits", "_spans", "fits", "parses", "prepare", "short", "template")

    def __init__(self, statement: Statement, parsed: Parsed, kinds: Sequence[Kind | None]) -> None:
        super().__init__(statement)
        bound = [kind for kind in kinds if kind is not None]
        types = f"({', '.join(kind.type for kind in bound)})" if bound else ""
        marks, number = [], 0
        for kind in kinds:
            number += kind is not None
            marks.append("NULL" if kind is None else f"${number}")
        text = join(parsed.parts, marks).rstrip("; \t\r\n")
        #: The statement that prepares it. On lines of its own, since the text may end in a comment.
        self.prepare = f"prepare {self.name}{types} as\n{text}\n"
        #: Whether a server has taken that: then it is free of syntax errors.
        self.parses = False
        self._call = f"execute {self.name}".encode()
        names = parsed.names
        #: Executes it, with placeholders as in the statement itself; empty where that will not do.
        self.template = ""
        if len(bound) == len(kinds) and not (parsed.grouped and len(kinds) > 1):
            given = [f"%({name})s" for name in names] if names else ["%s"] * len(bound)
            self.template = f"execute {self.name}" + (f" ({', '.join(given)})" if given else "")
        patterns = b", ".join(kind.pattern for kind in bound)
        arguments = rb" \(" + patterns + rb"\)" if bound else b""
        # The same for digits, where all parameters are integers, and which ones these may be.
        self._digits = b""
        self._spans = [kind.span for kind in bound if kind.span is not None]
        if self.template and bound and not names and len(self._spans) == len(bound):
            self._digits = b"%b (%b)" % (self._call, b", ".join([b"%d"] * len(bound)))
        #: The same where all are integers of four bytes, as most are; else empty.
        self.short = self._digits if all(is_short(kind) for kind in bound) else b""
        #: Whether a message made of the template has parameters of the right types in it.
        self.fits = re.compile(re.escape(self._call) + arguments, re.DOTALL).fullmatch

    def with_integers(self, params: Any) -> bytes | None:
        """Return the statement that executes it with *params*; None unless all are integers.

        What drivers do to write a number may take a hundred times as long.
        """
        if not self._digits or type(params) not in _SEQUENCES:
            return None
        for value, (least, greatest) in zip(params, self._spans, strict=False):
            if type(value) is not int:
                return None
            if not least <= (value if value >= 0 else ~value) <= greatest:
                return None
        try:
            return self._digits % (params if type(params) is tuple else tuple(params))
        except TypeError:  # too few or too many
            return None

    def message(self, literals: Sequence[bytes]) -> bytes:
        """Return the statement that executes it with *literals*, NULLs among them."""
        bound = [literal for literal in literals if literal != NULL]
        return b"%b (%b)" % (self._call, b", ".join(bound)) if bound else self._call
