"""Writing what repeats only once: ``(%s, %s, %s)`` is ``(%s, ...)``, and so are rows of VALUES."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_OPENING: Final = {")": "(", "]": "["}

_AND_SO_ON: Final = ", ..."

# What stands alone in a list and is a value, with a cast: a literal or an array, or a placeholder.
_CONSTANT: Final = r"\?|null|true|false|default|array\[\?(?:,\ \.\.\.)?\]"
_CAST: Final = r"""(?:::["\w.\[\] ]++(?:\(\?(?:,\ \.\.\.)?\))?+(?:\[\])*+)*+"""
_LITERAL: Final = re.compile(rf"[-+]?+\ ?+(?:{_CONSTANT}){_CAST}", re.IGNORECASE)
_VALUE: Final = re.compile(
    rf"[-+]?+\ ?+(?:{_CONSTANT}|%(?:\(\w+\))?[sbt]|\$\d++){_CAST}", re.IGNORECASE
)


class _Group(NamedTuple):
    """What stands in brackets, and whether that is nothing but values."""

    text: str
    values: bool


class Text:
    """The text of a statement as it grows by its tokens, its lists collapsed."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        # For each group that is open: where it begins, and the one before it, if only a comma is
        # between them.
        self._open: list[tuple[int, _Group | None]] = []
        # Where the group ends that was closed last, and what it was.
        self._closed: tuple[int, _Group] | None = None
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

    def _sibling(self) -> _Group | None:
        if self._closed is None or not self._pieces or self._pieces[-1] != ", ":
            return None
        end, group = self._closed
        return group if end == len(self._pieces) - 1 else None

    def _close(self, bracket: str) -> None:
        pieces = self._pieces
        if not self._open or pieces[self._open[-1][0]] != _OPENING[bracket]:
            pieces.append(bracket)  # nothing that a server would accept
            return
        start, sibling = self._open.pop()
        before = [piece.lower() for piece in pieces[max(start - 2, 0) : start]]
        inner = pieces[start + 1 :]
        items = _items(inner)
        values = all(map(_VALUE.fullmatch, items))
        if values and (len(items) > 1 or before == ["in", " "]):
            inner = [_first(items), _AND_SO_ON]
        elif values and ("values" in before or sibling is not None):  # a row of one
            inner = [_first(items)]
        group = _Group("".join([pieces[start], *inner, bracket]), values)
        if sibling is not None and (sibling == group or (sibling.values and values)):
            del pieces[start - 1 :]
            if pieces[-1] != _AND_SO_ON:
                pieces.append(_AND_SO_ON)
        else:
            pieces[start:] = [group.text]
        self._closed = len(pieces), group

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


def _first(values: list[str]) -> str:
    """Return what is shown of a list; of a literal that is neither its sign nor its type."""
    return "?" if _LITERAL.fullmatch(values[0]) else values[0]
