"""Text for a terminal, parts of which others wrote."""

from __future__ import annotations


def printable(line: str) -> str:
    """Return *line* without what would move a terminal's cursor, or begin another line."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)
