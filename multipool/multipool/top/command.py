"""The command ``multipool top``."""

from __future__ import annotations

import argparse
import json
import math
from typing import Final

from multipool.errors import PoolError
from multipool.top import overview
from multipool.watch.asking import processes
from multipool.watch.queries.report import ORDERS

SUMMARY: Final = "show the pools of your processes, who holds their connections, and their queries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = "Shown are processes with MULTIPOOL_TOP=1 in their environment."
    parser.add_argument("--once", action="store_true", help="print it once, and end")
    parser.add_argument("--json", action="store_true", help="for programs; with --once")
    parser.add_argument(
        "--every", type=_seconds, default=2.0, metavar="SECONDS", help="how often (2)"
    )
    parser.add_argument(
        "--by", choices=list(ORDERS), default="total", help="which queries come first (total)"
    )
    parser.add_argument(
        "--limit", type=_count, default=15, metavar="N", help="how many queries and holders (15)"
    )


def run(args: argparse.Namespace) -> int:
    """Show them, until Ctrl-C or only once."""
    if args.json and not args.once:
        raise PoolError("--json is for --once")
    if args.once:
        found = processes()
        print(
            json.dumps(overview.as_dict(found, args.by, args.limit), indent=2)
            if args.json
            else overview.as_text(found, args.by, args.limit)
        )
        return 0
    try:
        from multipool.top.screen import show
    except ModuleNotFoundError as error:
        raise PoolError(
            f"{error.name} is missing: pip install 'multipool[top]', or use --once"
        ) from error
    show(lambda: overview.sections(processes(), args.by, args.limit), args.every)
    return 0


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds of at least 0.1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0")
    return value
