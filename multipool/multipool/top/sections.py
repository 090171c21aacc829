"""What the screen is made of: some lines, and tables beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multipool.terminal import printable


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: How many rows there are, where not all are shown.
    total: int | None = None

    @property
    def heading(self) -> str:
        """The title, and how many rows there are."""
        shown = len(self.rows)
        of = f" of {self.total}" if self.total is not None and self.total > shown else ""
        return f"{self.title}: {shown}{of}"


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that is shown at one moment."""

    #: What is said before the tables.
    lines: Sequence[str]
    sections: Sequence[Section]

    def as_text(self) -> str:
        """Return it as plain text."""
        parts = ["\n".join(map(printable, self.lines))] if self.lines else []
        return "\n\n".join([*parts, *map(_section_text, self.sections)])


def _section_text(section: Section) -> str:
    rows = [[printable(cell) for cell in row] for row in (section.head, *section.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([section.heading, *(lines if section.rows else ())])
