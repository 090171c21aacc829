"""Figures as time goes by, one upon the other, in a terminal and as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final
from xml.sax.saxutils import escape

#: Of the picture in a terminal.
_COLUMNS: Final = 72
_ROWS: Final = 16
#: What each layer is made of there, the lowest first.
_SHADES: Final = "█▒░"

# And of the SVG.
_WIDTH: Final = 720
_HEIGHT: Final = 336
_LEFT: Final = 50
_TOP: Final = 60
_BOTTOM: Final = 76
_STYLE: Final = """
    text { font: 14px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600; font-size: 16px }
    .unit { fill: #59636e }
    .layer0 { fill: #1a7f37 } .layer1 { fill: #8c959f } .layer2 { fill: #0969da }
    .limit { stroke: #cf222e; stroke-width: 2 }
    .mark { stroke: #59636e; stroke-dasharray: 3 3 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .unit { fill: #9198a1 }
      .layer0 { fill: #3fb950 } .layer1 { fill: #6e7681 } .layer2 { fill: #58a6ff }
      .limit { stroke: #f85149 }
      .mark { stroke: #9198a1 }
    }
"""


@dataclass(frozen=True)
class Timeline:
    """Up to three layers that add up, and what they must not exceed."""

    title: str
    unit: str
    #: Seconds, evenly spread; and as many figures of each layer, the lowest first.
    times: Sequence[float]
    layers: Mapping[str, Sequence[float]]
    limit: float
    #: What happened when.
    marks: Mapping[float, str] = field(default_factory=dict)

    def as_text(self) -> str:
        """Return the picture for a terminal."""
        rows = [self._row(_ROWS - number) for number in range(_ROWS)]
        legend = "  ".join(f"{_SHADES[place]} {name}" for place, name in enumerate(self.layers))
        began = "  ".join(f"{letter} {when:g} s: {what}" for letter, when, what in self._marks())
        return "\n".join(
            [
                f"{self.title} ({self.unit}; the line is {self.limit:g})",
                *rows,
                f"{0:>6g} └{self._mark_line()}",
                f"{0:>8} s{self.times[-1]:>{_COLUMNS - 4}g} s",
                f"        {legend}",
                f"        {began}",
            ]
        )

    def _marks(self) -> Iterator[tuple[str, float, str]]:
        for place, (when, what) in enumerate(sorted(self.marks.items())):
            yield chr(ord("a") + place), when, what

    def _mark_line(self) -> str:
        line = ["─"] * _COLUMNS
        for letter, when, _ in self._marks():
            line[min(round(when * _COLUMNS / self.times[-1]), _COLUMNS - 1)] = letter
        return "".join(line)

    def _row(self, row: int) -> str:
        """Return one line of the picture, counted from below."""
        top = self.limit * 1.125
        value, below = top * row / _ROWS, top * (row - 1) / _ROWS
        cells = ""
        for column in range(_COLUMNS):
            sums = self._sums(column * (len(self.times) - 1) // (_COLUMNS - 1))
            place = next((n for n, total in enumerate(sums) if total >= (value + below) / 2), None)
            empty = "─" if below < self.limit <= value else " "
            cells += empty if place is None else _SHADES[place]
        return f"{below if row == 1 else value:>6.0f} │{cells}".rstrip()

    def _sums(self, index: int) -> list[float]:
        return list(accumulate(figures[index] for figures in self.layers.values()))

    def svg(self) -> str:
        """Return the picture as an SVG document."""
        title = escape(self.title)
        x = [self._x(when) for when in self.times]
        floor = [0.0] * len(self.times)
        shapes, legend = [], []
        for place, (name, figures) in enumerate(self.layers.items()):
            ceiling = [low + figure for low, figure in zip(floor, figures, strict=True)]
            area = self._area(x, floor, ceiling)
            shapes.append(f'  <polygon class="layer{place}" points="{area}"/>')
            left = _LEFT + 220 * place
            y = _HEIGHT - 22
            legend.append(
                f'  <rect class="layer{place}" x="{left}" y="{y}" width="12" height="12"/>\n'
                f'  <text x="{left + 18}" y="{_HEIGHT - 11}">{escape(name)}</text>'
            )
            floor = ceiling
        limit = self._y(self.limit)
        right = _WIDTH - 10
        box = f"0 0 {_WIDTH} {_HEIGHT}"
        # By turns on two lines, lest what follows soon stands upon it.
        marks = [
            self._mark(when, what, 18 + 17 * (place % 2))
            for place, (_, when, what) in enumerate(self._marks())
        ]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img">',
                f"  <title>{title}</title>",
                f"  <style>{_STYLE}  </style>",
                f'  <text class="title" x="10" y="24">{title}</text>',
                *shapes,
                f'  <line class="limit" x1="{_LEFT}" x2="{right}" y1="{limit}" y2="{limit}"/>',
                f'  <text x="{_LEFT - 8}" y="{limit + 5}" text-anchor="end">{self.limit:g}</text>',
                f'  <text class="unit" x="{_LEFT - 8}" y="{self._y(0)}" text-anchor="end">0</text>',
                *marks,
                *legend,
                "</svg>\n",
            ]
        )

    def _area(self, x: Sequence[float], floor: Sequence[float], ceiling: Sequence[float]) -> str:
        there = [f"{at:.1f},{self._y(high)}" for at, high in zip(x, ceiling, strict=True)]
        back = [f"{at:.1f},{self._y(low)}" for at, low in zip(x, floor, strict=True)]
        return " ".join([*there, *reversed(back)])

    def _mark(self, when: float, what: str, below: int) -> str:
        x = f"{self._x(when):.1f}"
        bottom = _HEIGHT - _BOTTOM
        return (
            f'  <line class="mark" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>\n'
            f'  <text class="unit" x="{x}" y="{bottom + below}" text-anchor="middle">'
            f"{when:g} s: {escape(what)}</text>"
        )

    def _x(self, when: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 10) * when / self.times[-1]

    def _y(self, figure: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return round(_HEIGHT - _BOTTOM - height * figure / (self.limit * 1.125), 1)
