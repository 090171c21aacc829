"""Writing what repeats only once: ``(%s, %s, %s)`` is ``(%s, ...)``, and so are rows of VALUES."""

from __future__ import annotations

import re
from typing import Final

_OPENING: Final = {")": "(", "]": "["}

_AND_SO_ON: Final = ", ..."

# What stands alone in a list and is a value: a placeholder, a literal, an array; with a cast.
_VALUE: Final = re.compile(
    r"""
    [-+]?+\ ?+
    (?:\?|%(?:\(\w+\))?[sbt]|\$\d++|null|true|false|default|array\[\?(?:,\ \.\.\.)?\])
    (?:::["\w.\[\] ]++(?:\(\?(?:,\ \.\.\.)?\))?+(?:\[\])*+)*+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_KEYWORD: Final = frozenset(["null", "true", "false", "default"])


class Text:
    """The text of a statement as it grows by its tokens, its lists collapsed."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        # For each group that is open: where it begins, and what stood in the one before it, if
        # only a comma is between them.
        self._open: list[tuple[int, str | None]] = []
        # Where the group ends that was closed last, and what stood in it.
        self._closed: tuple[int, str] | None = None
        self._blank = False

    def blank(self) -> None:
        """Let a space come before the next token, where one is of use."""
        self._blank = True

    def add(self, piece: str) -> None:
        """Add one token, which is no space."""
        pieces = self._pieces
        if piece == ",":
            pieces.append(", ")
        elif piece in _OPENING:
            self._close(piece)
        else:
            if self._blank and pieces and pieces[-1] not in ("(", "[", ", ") and piece != ";":
                pieces.append(" ")
            if piece in ("(", "["):
                self._open.append((len(pieces), self._sibling()))
            pieces.append(piece)
        self._blank = False

    def _sibling(self) -> str | None:
        if self._closed is None or not self._pieces or self._pieces[-1] != ", ":
            return None
        end, text = self._closed
        return text if end == len(self._pieces) - 1 else None

    def _close(self, bracket: str) -> None:
        pieces = self._pieces
        if not self._open or pieces[self._open[-1][0]] != _OPENING[bracket]:
            pieces.append(bracket)  # nothing that a server would accept
            return
        start, sibling = self._open.pop()
        before = pieces[start - 2 : start] if start > 1 else []
        any_number = [piece.lower() for piece in before] == ["in", " "]
        text = pieces[start] + _collapsed(pieces[start + 1 :], any_number) + bracket
        if sibling == text:
            del pieces[start - 1 :]
            if pieces[-1] != _AND_SO_ON:
                pieces.append(_AND_SO_ON)
        else:
            pieces[start:] = [text]
        self._closed = len(pieces), text

    def leave_out_what_is_open(self) -> None:
        """Drop the innermost group if it is a row of several, or a list of values so far.

        So texts that are cut at different places of the same long list come to the same.
        """
        for start, sibling in self._open:
            if sibling is not None:
                del self._pieces[start - 1 :]
                return
        if self._open:
            start = self._open[-1][0]
            items = _items(self._pieces[start + 1 :])[:-1]
            if items and all(map(_VALUE.fullmatch, items)):
                del self._pieces[start + 1 :]

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __str__(self) -> str:
        return "".join(self._pieces)


def _items(pieces: list[str]) -> list[str]:
    items = [""]
    for piece in pieces:
        if piece == ", ":
            items.append("")
        elif piece != _AND_SO_ON:
            items[-1] += piece
    return items


def _collapsed(pieces: list[str], any_number: bool) -> str:
    """Return what stands in a group; *any_number* says that one value is as good as several."""
    items = _items(pieces)
    if (len(items) > 1 or any_number) and all(map(_VALUE.fullmatch, items)):
        first = items[0].lower()
        return ("?" if first in _KEYWORD else items[0]) + _AND_SO_ON
    return "".join(pieces)
