"""What a benchmark has to say: tables, verdicts, and how they are written down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.timeline import Timeline


@dataclass(frozen=True)
class Table:
    """Rows of words; the first column names the subject, the others hold its figures.

    With *prose* they hold words, and are written from the left.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    prose: bool = False

    def as_text(self) -> str:
        """Return the table for a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        head, *body = ["  ".join(self._padded(line, widths)).rstrip() for line in lines]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        notes = [f"  {note}" for note in self.notes]
        return "\n".join([self.title, rule, head, rule, *body, *notes])

    def as_markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        lines = [
            self.columns,
            ["---", *["---" if self.prose else "---:"] * (len(self.columns) - 1)],
            *self.rows,
        ]
        table = ["| " + " | ".join(line) + " |" for line in lines]
        notes = ["", *[f"- {note}" for note in self.notes]] if self.notes else []
        return "\n".join([f"**{self.title}**", "", *table, *notes])

    def _padded(self, line: Sequence[str], widths: Sequence[int]) -> list[str]:
        return [
            cell.rjust(width) if number and not self.prose else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]


@dataclass(frozen=True)
class Verdict:
    """Whether a target was met."""

    what: str
    measured: float
    at_least: float = -math.inf
    at_most: float = math.inf
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the measured figure lies within the bounds."""
        return self.at_least <= self.measured <= self.at_most

    def __str__(self) -> str:
        bound, target = (
            ("at most", self.at_most) if math.isinf(self.at_least) else ("at least", self.at_least)
        )
        return (
            f"{'met' if self.met else 'NOT MET'}: {self.what}: {self.measured:.3g}{self.unit}"
            f" ({bound} {target:g}{self.unit})"
        )


@dataclass(frozen=True)
class Report:
    """The answer of one benchmark."""

    title: str
    question: str
    tables: Sequence[Table]
    verdicts: Sequence[Verdict] = ()
    #: What a chart shows: its title, unit, and figures, by subject or as time goes by.
    chart: Chart | Timeline | None = None

    def as_text(self) -> str:
        """Return the report for a terminal."""
        parts = [f"== {self.title} ==", self.question]
        parts += [table.as_text() for table in self.tables]
        if isinstance(self.chart, Timeline):
            parts.append(self.chart.as_text())
        if self.verdicts:
            parts.append("\n".join(map(str, self.verdicts)))
        return "\n\n".join(parts)

    def as_markdown(self) -> str:
        """Return the report in GitHub's Markdown."""
        parts = [f"## {self.title}", self.question]
        parts += [table.as_markdown() for table in self.tables]
        if self.verdicts:
            parts.append("\n".join(f"- {verdict}" for verdict in self.verdicts))
        return "\n\n".join(parts)


@dataclass(frozen=True)
class Chart:
    """Figures to be drawn as bars; less is better."""

    title: str
    unit: str
    bars: dict[str, float] = field(default_factory=dict)


def relative_rows(
    figures: dict[str, float], ours: str, show: Callable[[float], str]
) -> list[list[str]]:
    """Return a row for each subject, least first: its name, its figure, and how often ours."""
    return [
        [name, show(figure), f"{figure / figures[ours]:.2f}"]
        for name, figure in sorted(figures.items(), key=lambda item: item[1])
    ]


def microseconds(figure: float) -> str:
    """Return *figure*, in seconds, as microseconds, for a table."""
    return f"{figure * 1e6:.2f}"


def milliseconds(figure: float) -> str:
    """Return *figure*, in seconds, as milliseconds, for a table."""
    return f"{figure * 1e3:.2f}"


def seconds(figure: float) -> str:
    """Return *figure* as seconds, for a table; infinity is never."""
    return f"{figure:.2f}" if figure < float("inf") else "never"
