"""What the demo found: for a person a table, for a program JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from textwrap import indent
from typing import Any, Final

from multipool_django.demo.load import Figures
from multipool_django.demo.scale import DELAY, FAR_THREADS


@dataclass(frozen=True)
class Way:
    """One way of getting a connection: how fast it was, and how many the server saw."""

    figures: Figures
    connections: int


@dataclass(frozen=True)
class Comparison:
    """The two ways, on one driver."""

    driver: str
    version: str
    unpooled: Way
    pooled: Way

    @property
    def ratio(self) -> float:
        """How many times as much the pooled one did in a second."""
        return self.pooled.figures.per_second / self.unpooled.figures.per_second


@dataclass
class Workload:
    """What was done on each driver."""

    title: str
    unit: str
    unpooled: str
    comparisons: list[Comparison] = field(default_factory=list)


@dataclass
class Report:
    """Everything that the demo found."""

    versions: Mapping[str, str]
    settings: Mapping[str, float]
    workloads: Mapping[str, Workload]
    #: By the name of the way, what it did with the database far away.
    far: dict[str, Figures] = field(default_factory=dict)
    #: By driver, what went wrong.
    failures: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return it for a program. Times are in seconds."""
        return json.dumps(
            {
                "versions": self.versions,
                "settings": self.settings,
                **{
                    name: {each.driver: _as_dict(each) for each in workload.comparisons}
                    for name, workload in self.workloads.items()
                },
                "far": {name: asdict(figures) for name, figures in self.far.items()},
                "failures": self.failures,
            },
            indent=2,
        )

    def as_table(self) -> str:
        """Return it for a person."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        parts = [versions]
        parts += [_table(each) for each in self.workloads.values() if each.comparisons]
        if len(parts) > 1:
            parts.append(_NOTE)
        if self.far:
            parts.append(_far_table(self.far))
        parts += [f"{driver} failed:\n{indent(why, '  ')}" for driver, why in self.failures.items()]
        return "\n\n".join(parts)


_NOTE: Final = """\
The two ways took turns, after the same warm-up. Connections are those that the server
counted, warm-up included. Connecting here means TCP on the loopback and a password
(SCRAM), without TLS; a server far away only adds to that."""


_FAR_NOTE: Final = "Two round trips with multipool: BEGIN travels with the query."

#: Below rows that begin so; it is not there unless psycopg_pool is.
_DJANGOS: Final = "Django's own pool"
_NOTE_ON_DJANGOS: Final = f"""\
 Three with {_DJANGOS}, four
with checks for dead connections, which multipool makes without asking the server."""


def _as_dict(comparison: Comparison) -> dict[str, Any]:
    return {
        "version": comparison.version,
        **{
            name: {**asdict(way.figures), "connections": way.connections}
            for name, way in (("unpooled", comparison.unpooled), ("pooled", comparison.pooled))
        },
        "ratio": comparison.ratio,
    }


def _table(workload: Workload) -> str:
    columns = ("", "", workload.unit, "ratio", "median", "longest", "connections opened")
    rows = [_row(*columns)]
    for each in workload.comparisons:
        name = f"{each.driver} {each.version}"
        rows.append(_row(name, workload.unpooled, *_cells(each.unpooled, "")))
        rows.append(_row("", "pooled", *_cells(each.pooled, f"{each.ratio:.1f}x")))
    return "\n".join([workload.title, *rows])


def _far_table(far: Mapping[str, Figures]) -> str:
    best = max(figures.per_second for figures in far.values())
    title = (
        f"A view with one query in atomic(), the database {DELAY * 2000:.0f} ms away:"
        f" {FAR_THREADS} threads, without HTTP"
    )
    columns = f"  {'':<42}{'requests/s':>15}{'of best':>8}{'median':>11}{'longest':>11}"
    rows = [
        f"  {name:<42}{each.per_second:>15,.0f}{each.per_second / best:>8.0%}"
        f"{_milliseconds(each.median):>11}{_milliseconds(each.longest):>11}"
        for name, each in far.items()
    ]
    note = _FAR_NOTE
    if any(name.startswith(_DJANGOS) for name in far):
        note += _NOTE_ON_DJANGOS
    return "\n".join([title, columns, *rows, "", note])


def _row(name: str, way: str, rate: str, ratio: str, median: str, longest: str, opened: str) -> str:
    left = f"  {name:<17} {way:<24}"
    return f"{left}{rate:>15}{ratio:>8}{median:>11}{longest:>11}{opened:>20}".rstrip()


def _cells(way: Way, ratio: str) -> tuple[str, str, str, str, str]:
    figures = way.figures
    return (
        f"{figures.per_second:,.0f}",
        ratio,
        _milliseconds(figures.median),
        _milliseconds(figures.longest),
        f"{way.connections:,}",
    )


def _milliseconds(seconds: float) -> str:
    """Return *seconds* in milliseconds, with as many places as a person reads."""
    value = seconds * 1000
    places = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:,.{places}f} ms"
