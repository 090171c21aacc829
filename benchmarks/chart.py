"""A bar chart as SVG, readable on a light page and on a dark one."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from benchmarks.report import Chart

_WIDTH: Final = 720
_LABELS: Final = 270  # the space left of the bars
_FIGURES: Final = 70  # and right of the longest
_ROW: Final = 30
_TOP: Final = 56

# An image cannot take the page's colours, but it is told whether the reader likes it dark.
_STYLE: Final = """
    text { font: 14px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600; font-size: 16px }
    .unit { fill: #59636e }
    rect { fill: #8c959f }
    .ours { fill: #1a7f37 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .unit { fill: #9198a1 }
      rect { fill: #6e7681 }
      .ours { fill: #3fb950 }
    }
"""


def svg(chart: Chart, ours: str) -> str:
    """Return *chart* as an SVG document; bars whose name begins with *ours* stand out."""
    longest = max(chart.bars.values())
    scale = (_WIDTH - _LABELS - _FIGURES) / longest
    height = _TOP + _ROW * len(chart.bars) + 10
    rows = "\n".join(
        _bar(_TOP + _ROW * number, name, figure, figure * scale, name.startswith(ours))
        for number, (name, figure) in enumerate(chart.bars.items())
    )
    title = escape(chart.title)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">
  <title>{title}</title>
  <style>{_STYLE}  </style>
  <text class="title" x="10" y="24">{title}</text>
  <text class="unit" x="10" y="44">{escape(chart.unit)}, less is better</text>
{rows}
</svg>
"""


def _bar(top: int, name: str, figure: float, length: float, is_ours: bool) -> str:
    of_ours = ' class="ours"' if is_ours else ""
    return f"""\
  <text x="{_LABELS - 10}" y="{top + 17}" text-anchor="end">{escape(name)}</text>
  <rect{of_ours} x="{_LABELS}" y="{top + 4}" width="{max(length, 1):.1f}" height="18" rx="2"/>
  <text x="{_LABELS + length + 8:.1f}" y="{top + 17}">{figure:.2f}</text>"""
