"""``python -m benchmarks``: run them, print what they found, write it down if asked to."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import (
    budget,
    checkout,
    cold,
    contention,
    dashboard,
    django_views,
    drivers,
    fleet,
    hard_cases,
    held_snapshot,
    hold,
    kills,
    outage,
    peers,
    plans,
    query,
    shares,
    watching,
)
from benchmarks.chart import svg
from benchmarks.measure import Effort, machine, versions
from benchmarks.report import Chart, Report
from benchmarks.timeline import Timeline

BENCHMARKS: Final[dict[str, Callable[[Effort], Report]]] = {
    "checkout": checkout.run,
    "contention": contention.run,
    "query": query.run,
    "cold": cold.run,
    "outage": outage.run,
    "kills": kills.run,
    "hard_cases": hard_cases.run,
    "drivers": drivers.run,
    "django": django_views.run,
    "hold": hold.run,
    "plans": plans.run,
    "watching": watching.run,
    "fleet": fleet.run,
    "budget": budget.run,
    "held_snapshot": held_snapshot.run,
    "dashboard": dashboard.run,
    "shares": shares.run,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that *arguments* (the command line's by default) name."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    for name in asked.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark is called {name!r}; there are: {', '.join(BENCHMARKS)}")
    # The pools log what they go through here; it is written nowhere, but not for free.
    logging.basicConfig(handlers=[logging.NullHandler()])
    reports = {}
    head = _head(asked.quick)
    print(head, end="\n\n")
    for name in asked.names or BENCHMARKS:
        began = time.monotonic()
        report = reports[name] = BENCHMARKS[name](Effort(asked.quick))
        print(report.as_markdown() if asked.markdown else report.as_text(), end="\n\n", flush=True)
        print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr)
    if asked.write is not None:
        _write(asked.write, asked.names, head, reports)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=sys.modules[__package__ or ""].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="name",
        help=f"which: {', '.join(BENCHMARKS)}; all by default",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only see that everything runs; the figures mean nothing",
    )
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="folder",
        help="write benchmarks.md, and the charts beside it, to this folder",
    )
    return parser


def _head(quick: bool) -> str:
    """Return what the figures depend on."""
    missing = [peer.label for peer in peers.ALL if not peer.installed()]
    lines = [
        machine(),
        versions(peers.installed(peers.ALL)),
        *([f"Not installed: {', '.join(missing)}."] if missing else []),
        *(["A quick run: the figures mean nothing."] if quick else []),
    ]
    return "\n".join(lines)


def _write(folder: Path, names: Sequence[str], head: str, reports: dict[str, Report]) -> None:
    command = " ".join(["python -m benchmarks", *names, "--write docs"])
    parts = [
        "# Benchmarks",
        f"Made by `{command}`, the pools taking turns in one run.",
        head.replace("\n", "  \n"),
    ]
    for name, report in reports.items():
        parts.append(report.as_markdown())
        if report.chart is not None:
            (folder / f"{name}.svg").write_text(_drawn(report.chart))
            parts.append(f"![{report.chart.title}]({name}.svg)")
    (folder / "benchmarks.md").write_text("\n\n".join(parts) + "\n")


def _drawn(chart: Chart | Timeline) -> str:
    return chart.svg() if isinstance(chart, Timeline) else svg(chart, peers.Multipool.label)


if __name__ == "__main__":
    main()
