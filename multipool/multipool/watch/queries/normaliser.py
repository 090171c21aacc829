"""A statement without anything that may be somebody's data: its text for a report.

``select * from t where id in (1, 2) and name = 'x'`` becomes
``select * from t where id in (?, ...) and name = ?``. Placeholders stay as they are, comments
go. What can be read in two ways is cut, and says so: losing half a statement in a report is
harmless, showing a password is not. One pass over at most `LONGEST` characters, so it neither
fails nor takes long, whatever the text.
"""

from __future__ import annotations

import re
from typing import Final

from multipool.watch.queries.lists import Text
from multipool.watch.queries.tokens import (
    STICKS,
    TOKEN,
    comment_end,
    ends_elsewhere,
    may_end_a_literal,
)

#: In characters. What comes after is left out.
LONGEST: Final = 8192

#: What stands where the rest of a text was left out.
CUT_LONG: Final = "<cut: long>"
CUT_UNSURE: Final = "<cut: quotes that do not match>"
CUT_BACKSLASH: Final = "<cut: a backslash before a quote>"
CUT_DATA: Final = "<cut: what COPY reads>"

_QUOTE: Final = re.compile(r"(?<!\w)[bBxXnNeE]'|(?<!\w)[uU]&['\"]|['\"]|--|/\*|\$\w*\$")

# What PostgreSQL knows outside of quotes that is neither letter nor digit.
_SIGNS: Final = frozenset("+-*/<>=~!@#%^&|`?:;,.()[]")

# A quoted name that is shown: what a table may be called, and no sentence.
_NAME: Final = re.compile(r'"[\w$. -]{1,63}"')
_DIGITS: Final = re.compile(r"\d+")
_SOMETHING: Final = re.compile(r"\S")

# The words that may touch the quote of a literal, whose type they are.
_TYPES: Final = frozenset(
    "date time timetz timestamp timestamptz interval json jsonb uuid numeric boolean text".split()
)

# Statements in which names are made up for each execution: savepoints, cursors.
_NAMING: Final = frozenset(
    "close declare deallocate execute fetch move prepare release rollback savepoint".split()
)
_VERB: Final = re.compile(
    r"""\s*+(
      abort|alter|analyze|begin|call|checkpoint|close|cluster|comment|commit|copy|create|deallocate
    | declare|delete|discard|do|drop|end|execute|explain|fetch|grant|import|insert|listen|load|lock
    | merge|move|notify|prepare|reassign|refresh|reindex|release|reset|revoke|rollback|savepoint
    | security|select|set|show|start|table|truncate|unlisten|update|vacuum|values|with
    )\s""",
    re.VERBOSE | re.IGNORECASE,
)


class _CutError(Exception):
    """A text is to be cut, for the reason that it is shown as."""


def normalise(text: str) -> str:
    """Return *text* without literals and comments, its lists collapsed, its blanks made one."""
    reading = _Reading(text)
    try:
        reading.read()
    except _CutError as cut:
        reason = cut.args[0]
        if reason == CUT_DATA:
            return f"{reading.out} {reason}"
        if reason == CUT_LONG:
            if text.count("'") % 2 == 0:
                reading.out.leave_out_what_is_open()
                return f"{str(reading.out).rstrip(' ,')} {CUT_LONG}".lstrip()
            reason = CUT_UNSURE
        if reason == CUT_BACKSLASH:  # both ways to read it agree on what comes before
            quote = _QUOTE.search(text)
            return f"{normalise(text[: quote.start()])} {reason}".lstrip() if quote else reason
        # A quote that is missing may be that which would have begun the text's first literal.
        verb = _VERB.match(text)
        return f"{verb[1]} {reason}" if verb else reason
    return str(reading.out)


class _Reading:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.out = Text()
        self._end = min(len(text), LONGEST)
        self._first: str | None = None
        # Whether names are made up here, and whether words are the values of settings.
        self._naming = self._setting = self._valuing = False
        # Whether what comes after the statement, if anything does, is rows for it.
        self._copying = False

    def read(self) -> None:
        """Read it all. Raises `_CutError`."""
        text, end, match, out = self.text, self._end, TOKEN.match, self.out
        at = 0
        word: str | None = None  # the one that ends here, if one does
        while token := match(text, at, end):
            kind, start, at = token.lastgroup, at, token.end()
            before, word = word, token[0] if kind == "word" else None
            if kind == "blank":
                out.blank()
            elif kind == "word":
                self._word(token[0])
            elif kind == "other":
                if text.startswith("*/", start):  # the end of a comment without its beginning
                    raise _CutError(CUT_UNSURE)
                self._other(token[0], at)
            elif kind == "placeholder":
                out.add(token[0])
            elif kind == "number":
                out.add("?")
            elif kind == "remark":
                self._comment(start, at)
            elif kind == "comment":
                at = self._found(comment_end(text, at, end))
                self._comment(start, at)
            elif kind == "dollar":
                closing = text.find(token[0], at, end)
                at = self._found(closing + len(token[0]) if closing >= 0 else None)
                self._literal(at)
            elif kind == "name":
                self._found(at if token["name_end"] else None)
                if may_end_a_literal(token[0]):
                    raise _CutError(CUT_UNSURE)
                out.add("?" if self._valuing else self._shown(token[0]))
            else:
                self._found(at if token["string_end"] or token["escaped_end"] else None)
                if kind == "string" and ends_elsewhere(text, token[0], start):
                    raise _CutError(CUT_BACKSLASH)
                if before is not None and before.lower() not in _TYPES:
                    raise _CutError(CUT_UNSURE)  # it may be the end of a literal, not its beginning
                self._literal(at)
        if end < len(text):
            raise _CutError(CUT_LONG)

    def _found(self, end: int | None) -> int:
        """Return where a token ends, if it does."""
        if end is None:
            raise _CutError(CUT_LONG if self._end < len(self.text) else CUT_UNSURE)
        return end

    def _comment(self, start: int, end: int) -> None:
        if self.out and may_end_a_literal(self.text[start:end]):
            raise _CutError(CUT_UNSURE)
        self.out.blank()

    def _literal(self, end: int) -> None:
        if STICKS.match(self.text, end):
            raise _CutError(CUT_UNSURE)
        self.out.add("?")

    def _word(self, word: str) -> None:
        # A dollar quote may have lost its first, or what there is of it.
        if "$" in word and (self.text.count("$") > 2 or word.count("$") > 1 or word[-1] == "$"):
            raise _CutError(CUT_UNSURE)
        lower = word.lower()
        if self._first is None:
            self._first = lower
            self._naming = lower in _NAMING
            self._setting = lower == "set"
        elif self._valuing:
            self.out.add("?")
            return
        elif lower in ("for", "as"):
            self._naming = False
        elif self._first in ("alter", "create") and lower == "set":
            self._setting = True
        elif self._first == "copy" and lower == "stdin":
            self._copying = True
        elif self._setting and lower == "to":
            self._valuing = True
        self.out.add(self._shown(word))

    def _shown(self, name: str) -> str:
        """Return a name as it is shown: no sentence, and nothing that a terminal would obey."""
        if name.endswith('"'):
            if not _NAME.fullmatch(name):
                return '"?"'
        elif not name.isascii() and not name.replace("$", "").isidentifier():
            return "?"
        return _DIGITS.sub("?", name) if self._naming else name

    def _other(self, character: str, end: int) -> None:
        if character not in _SIGNS:  # it can only stand in quotes, one of which is missing
            raise _CutError(CUT_UNSURE)
        if character == ";":
            if self._copying and _SOMETHING.search(self.text, end):
                raise _CutError(CUT_DATA)
            self._first = None
        if character in ";)":
            self._naming = self._setting = self._valuing = False
        elif character == "=" and self._setting:
            self._valuing = True
        self.out.add(character)
