"""Where the tokens of a statement begin and end, as PostgreSQL's own scanner has it.

Nothing here is copied from it; the rules are those of the manual's chapter "Lexical structure".
"""

from __future__ import annotations

import re
from typing import Final

# What PostgreSQL takes for a letter: every byte beyond ASCII too, be it a space to Unicode.
_LETTER: Final = r"A-Za-z_\x80-\U0010ffff"

#: A token at a place of a text; the name of the group that matched tells its kind. Possessive,
#: so that no text makes it try again. A ``quote`` without its ``end`` does not end.
TOKEN: Final = re.compile(
    rf"""
      (?P<blank>[ \t\n\r\f\v]++)
    | (?P<remark>--[^\n\r]*+)
    | (?P<placeholder>%(?:\([A-Za-z_]\w*+\))?+[sbt](?![\w$])|\$\d++(?![\w$]))
    | (?P<escaped>[eE]'(?:[^'\\]++|\\.|'')*+(?P<escaped_end>')?+)
    | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']++|'')*+(?P<string_end>')?+)
    | (?P<name>(?:[uU]&)?"(?:[^"]++|"")*+(?P<name_end>")?+)
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*+)
    | (?P<number>\.?[0-9](?:[eE][+-][0-9]|[{_LETTER}0-9.])*+)
    | (?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*+)?\$)
    | (?P<comment>/\*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

#: What must not come right after a literal: it tells that a quote before was not what it seemed.
STICKS: Final = re.compile(rf"[{_LETTER}0-9\"$]")

_ENDING: Final = re.compile(r"'|\$\w*+\$")
_TAG: Final = r"[\w.%-]++='[^'\\]*+'"
_COMMENTER: Final = re.compile(rf"/\*\s*+{_TAG}(?:\s*+,\s*+{_TAG})*+\s*+\*/")


def may_end_a_literal(inside: str) -> bool:
    """Return whether *inside*, a comment or a name, may hold the end of a literal.

    Its beginning would have been lost, and so it would look like a comment or a name. The tags
    of sqlcommenter are known to be tags.
    """
    return _ENDING.search(inside) is not None and not _COMMENTER.fullmatch(inside)


_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")

# A plain literal as a server reads it whose standard_conforming_strings is off.
_BACKSLASHED: Final = re.compile(r"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL)


def comment_end(text: str, at: int, end: int) -> int | None:
    """Return where the comment ends that was opened before *at*, or None. Comments nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, at, end):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return None


def ends_elsewhere(text: str, literal: str, start: int) -> bool:
    """Return whether *literal*, a plain one at *start*, is another where backslashes escape."""
    if "\\" not in literal:
        return False
    opening = literal.index("'")
    found = _BACKSLASHED.match(text, start + opening, start + len(literal))
    return found is None or found.end() != start + len(literal)
