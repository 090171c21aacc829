"""Reading a statement once: its placeholders, and what decides how it is sent.

The style is psycopg's: ``%s``, ``%(name)s``, and ``%%`` for a percent sign. For adapters to
PostgreSQL that bind parameters, or prepare statements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

# Stands for a placeholder while the text is scanned: no SQL text can hold it.
_MARK: Final = "\0"

_PERCENT: Final = re.compile(r"%(?:\((?P<name>[^)]*)\))?(?P<kind>.?)", re.DOTALL)

# Longer statements are not kept, in characters.
_LONGEST_KEPT: Final = 10_000

# What may hold a `;` or a placeholder that is none, and what has to be known of the rest. The
# repetitions are possessive: else Python keeps, for each character, where to go back to.
_TOKENS: Final = re.compile(
    r"""
      (?P<quoted>
          '(?:[^']++|'')*+(?:'|(?P<open>\Z))
        | "(?:[^"]++|"")*+"
        | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
        | --[^\n]*
        | (?P<comment>/\*)
      )
    | (?P<escaped>(?<![\w$])[eE]'(?:[^'\\]++|\\.|'')*+'
          (?:  # it goes on where a line lies between, and backslashes still escape
            (?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\f\v\n\r]|--[^\n\r]*+[\n\r])*+
            '(?:[^'\\]++|\\.|'')*+'
          )*+
      )
    | (?P<separator>;)
    | (?P<grouped>
          \b(?:(?P<group_by>GROUP\s+BY)\b
        | (?<!\bIS\s)(?<!\bNOT\s)DISTINCT\b(?P<distinct_on>\s*ON\s*\()?)
      )
    | (?P<order_by>\bORDER\s+BY\b)
    | (?P<anytyped>\b(?:
          (?:concat|concat_ws|format|json_array|json_object|json_scalar|num_nonnulls|num_nulls
            |jsonb?_build_array|jsonb?_build_object|jsonb?_object_agg\w*
            |pg_column_size|pg_typeof|row)\s*\(
        | count\s*\(\s*(?:DISTINCT\s+)?(?=\0)))
    | (?P<mark>\0)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_BLANK: Final = re.compile(r"(?:\s++|--[^\n]*+(?:\n|\Z)|/\*.*?\*/)++", re.DOTALL)
_WORD: Final = re.compile(r"[(\s]*([A-Za-z]*)")
_PARENTHESES: Final = re.compile(r"[()]")
# Parentheses in a list whose items are items of the list.
_BARE: Final = re.compile(r"(?:[,(]|\b(?:BY|ROLLUP|CUBE|SETS))\s*\Z", re.IGNORECASE)

# Where the grammar, or what it makes of it, wants a literal: what stands before it,
_BEFORE_LITERAL: Final = re.compile(
    r"""
    (?:
      \b(?:
          IS (?:\s+NOT)?
        | (?:bit|char|character) (?:\s+varying)? | bool(?:ean)? | bpchar | bytea | cidr
        | dec(?:imal)? | double\s+precision | float[48]? | inet | int(?:eger|[248])? | bigint
        | smallint | interval | jsonb? | jsonpath | macaddr8? | money | name | numeric | oid
        | real | reg[a-z]+ | text | timestamp(?:tz)? | time(?:tz)? | tsquery | tsvector | uuid
        | varbit | varchar | xml | (?:date|int[48]|num|ts|tstz)(?:multi)?range | date
        | box | circle | line | lseg | path | point | polygon
      )
      (?:\s*\([\d\s,]*\))?
      (?:\s*\bwith(?:out)?\s+time\s+zone)?
    | \bextract\s*\(
    | \b(?:
          (?:bit|char|character) (?:\s+varying)? | dec(?:imal)? | float | interval | numeric
        | time(?:stamp)? | varchar
      ) \s*\((?:[\s\d\0]*,)?
    )
    \s*\Z
    """,
    re.VERBOSE | re.IGNORECASE,
)
# how far back that is looked for, in characters,
_FAR_ENOUGH: Final = 48
# and what stands behind it: of an interval the field says what a number without a unit means.
_BEHIND_LITERAL: Final = re.compile(
    r"""
      [\s)]* IS\s+(?:NOT\s+)?NULL\b
    | \s*(?:::|\bAS\b)\s*interval\s+(?:year|month|day|hour|minute|second)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
# A number that is all of an item of ORDER BY, GROUP BY or DISTINCT ON is a column's.
_ITEM_BEGINS: Final = re.compile(r"(?:[,(]|\bBY)\s*\Z", re.IGNORECASE)
_ITEM_ENDS: Final = re.compile(
    r"""
    \s*(?:
        [,);] | \Z | -- | /\*
      | (?:ASC|DESC|EXCEPT|FETCH|FOR|GROUPS|HAVING|INTERSECT|LIMIT|NULLS|OFFSET|ORDER|RANGE|ROWS
          |UNION|USING|WINDOW)\b
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


class PlaceholderError(ValueError):
    """A placeholder is none, or the parameters do not fit the placeholders."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement's text around its placeholders."""

    #: One more than there are placeholders.
    parts: tuple[str, ...]
    #: The text with ``$1``, ``$2``, ... for the placeholders.
    numbered: str
    #: Each placeholder's name, or None where they go by position.
    names: tuple[str, ...] | None
    #: Its first word in capitals; ``(`` counts as none.
    word: str
    #: Whether more than one statement stands in the text.
    several: bool
    #: Whether a placeholder stands inside quotes or a comment.
    quoted: bool
    #: Whether the server compares expressions with each other, as GROUP BY does.
    grouped: bool
    #: Whether a function is called that takes arguments of any type.
    anytyped: bool
    #: The placeholders that only a literal can fill: those of ``%s IS NULL``, whose type
    #: cannot be told, of ``interval %s``, where the grammar wants a string, and of
    #: ``ORDER BY %s``, where a number that is no parameter means a column.
    literals_only: frozenset[int]

    def pick(self, params: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any]:
        """Return the values of *params* in the order of the placeholders.

        Raises `PlaceholderError` if they do not fit, and TypeError for what is neither a
        sequence nor a mapping.
        """
        if not isinstance(params, tuple | list):  # to ask abstract classes takes its time
            if isinstance(params, Mapping):
                return self._pick_by_name(params)
            if isinstance(params, str | bytes) or not isinstance(params, Sequence):
                raise TypeError(
                    f"parameters must be a sequence or a mapping, not {type(params).__name__}"
                )
        if self.names is not None:
            raise PlaceholderError("the placeholders are %(name)s, the parameters a sequence")
        if len(params) != len(self.parts) - 1:
            raise PlaceholderError(
                f"the statement has {len(self.parts) - 1} placeholders,"
                f" but {len(params)} parameters were given"
            )
        return params

    def _pick_by_name(self, params: Mapping[str, Any]) -> Sequence[Any]:
        if self.names is None:
            if len(self.parts) == 1:
                return ()
            raise PlaceholderError("the placeholders are %s, the parameters a mapping")
        try:
            return [params[name] for name in self.names]
        except KeyError as error:
            raise PlaceholderError(f"no parameter is named {error.args[0]!r}") from None


def read(text: str, escapes: bool) -> Statement:
    """Return *text* taken apart.

    *escapes* says that a backslash escapes in plain quotes, which is so when
    ``standard_conforming_strings`` is off. Raises `PlaceholderError` for a ``%`` that is
    neither a placeholder nor doubled.
    """
    return _read(text, escapes) if len(text) > _LONGEST_KEPT else _remembered(text, escapes)


def is_several(text: str) -> bool:
    """Return whether more than one statement stands in *text*."""
    return ";" in text and read(text.replace("%", "%%").replace(_MARK, ""), False).several


def _read(text: str, escapes: bool) -> Statement:
    if _MARK in text:
        raise ValueError("A string literal cannot contain NUL (0x00) characters.")
    marked, names = _mark(text)
    several = quoted = grouped = anytyped = False
    literals_only = set()
    lists = _Lists()
    index = at = 0
    while match := _TOKENS.search(marked, at):
        kind = match.lastgroup
        if lists.opened:
            lists.pass_by(marked, at, match.end() if kind == "anytyped" else match.start())
        at = match.end()
        if kind == "separator":
            several = several or bool(_BLANK.sub("", marked[at:]).strip("; \t\r\n\f\v"))
        elif kind == "mark":
            if _wants_literal(marked, match.start(), at, lists):
                literals_only.add(index)
            index += 1
        elif kind == "grouped":
            grouped = True
            if match["group_by"]:
                lists.begin()
            elif match["distinct_on"]:
                lists.begin_in_parentheses()
        elif kind == "order_by":
            lists.begin()
        elif kind == "anytyped":
            anytyped = True
        else:
            if match["comment"]:
                at = _comment_end(marked, at)
            elif escapes and match[0][0] == "'":
                at = _escaped_end(marked, match.start())
            elif match["open"] is not None:
                # Whoever took it for closed, as where backslashes escape, might see several.
                several = several or ";" in match[0]
            inside = marked.count(_MARK, match.start(), at)
            quoted = quoted or inside > 0
            index += inside
    blank = _BLANK.match(marked)
    word = _WORD.match(marked, blank.end() if blank else 0)
    parts = tuple(marked.split(_MARK))
    return Statement(
        parts=parts,
        numbered=join(parts, [f"${number}" for number in range(1, len(parts))]),
        names=names,
        word=word[1].upper() if word else "",
        several=several,
        quoted=quoted,
        grouped=grouped,
        anytyped=anytyped,
        literals_only=frozenset(literals_only),
    )


class _Lists:
    """The lists of ORDER BY, GROUP BY and DISTINCT ON that are open where a statement is read."""

    __slots__ = ("opened",)

    def __init__(self) -> None:
        #: The parentheses that are open inside each list, the innermost list last: whether what
        #: stands in them are items of the list.
        self.opened: list[list[bool]] = []

    def begin(self) -> None:
        """Begin a list; one at the same place, as of the GROUP BY before an ORDER BY, is over."""
        if not (self.opened and not self.opened[-1]):
            self.opened.append([])

    def begin_in_parentheses(self) -> None:
        """Begin a list that ends with the parenthesis before it."""
        if self.opened:
            self.opened[-1].append(False)
        self.opened.append([])

    def pass_by(self, text: str, start: int, end: int) -> None:
        """Take note of the parentheses between *start* and *end*, where nothing is quoted."""
        for match in _PARENTHESES.finditer(text, start, end):
            if not self.opened:
                return
            inside = self.opened[-1]
            if match[0] == "(":
                at = match.start()
                bare = _BARE.search(text, max(0, at - _FAR_ENOUGH), at) is not None
                inside.append(bare and self.at_an_item)
            elif inside:
                inside.pop()
            else:  # it closes what the list stands in
                self.opened.pop()
                if self.opened:
                    self.opened[-1].pop()

    @property
    def at_an_item(self) -> bool:
        """Whether what is being read is of an item, and not of an expression in it."""
        return bool(self.opened) and (not self.opened[-1] or self.opened[-1][-1])


def _wants_literal(text: str, start: int, end: int, lists: _Lists) -> bool:
    """Return whether only a literal will do between *start* and *end*."""
    if _BEHIND_LITERAL.match(text, end):
        return True
    window = max(0, start - _FAR_ENOUGH)
    if _BEFORE_LITERAL.search(text, window, start):
        return True
    return (
        lists.at_an_item
        and _ITEM_BEGINS.search(text, window, start) is not None
        and _ITEM_ENDS.match(text, end) is not None
    )


# A program has few statements, but for the long ones, which are mostly data.
_remembered = lru_cache(maxsize=1024)(_read)


def join(parts: Sequence[str], marks: Sequence[str]) -> str:
    """Return *parts* with *marks* between them, kept apart from words: ``LIMIT$1`` is a name."""
    pieces = [parts[0]]
    for mark, part in zip(marks, parts[1:], strict=True):
        for piece in (mark, part):
            if piece and pieces[-1] and _in_word(pieces[-1][-1]) and _in_word(piece[0]):
                pieces.append(" ")
            pieces.append(piece)
    return "".join(pieces)


def _in_word(character: str) -> bool:
    return character in "_$" or character.isalnum()


def _mark(text: str) -> tuple[str, tuple[str, ...] | None]:
    """Return *text* with a mark for each placeholder, and the names of those that have one."""
    names: list[str] = []
    positional = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal positional
        name, kind = match["name"], match["kind"]
        if kind == "%" and name is None:
            return "%"
        if kind != "s":
            raise PlaceholderError(
                f"placeholder {match[0]!r}: only %s, %(name)s and %% (a percent sign) are allowed"
            )
        if name is None:
            positional += 1
        else:
            names.append(name)
        return _MARK

    marked = _PERCENT.sub(replace, text)
    if names and positional:
        raise PlaceholderError("placeholders %s and %(name)s cannot be mixed")
    return marked, tuple(names) if names else None


def _comment_end(text: str, at: int) -> int:
    """Return where the comment ends that was opened before *at*; comments nest."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _escaped_end(text: str, start: int) -> int:
    """Return where a plain literal ends whose backslashes escape."""
    match = re.compile(r"'(?:[^'\\]++|\\.|'')*+(?:'|\Z)", re.DOTALL).match(text, start)
    return match.end() if match else len(text)
