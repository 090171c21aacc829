"""The command ``multipool top``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from multipool.command_options import (
    DSN_HELP,
    add_driver,
    driver_of,
    in_a_line,
    number,
    refuse_driver_without_fleet,
    whole_number,
)
from multipool.errors import PoolError
from multipool.top import overview
from multipool.top.sections import Overview
from multipool.watch.asking import ask
from multipool.watch.queries.report import ORDERS

SUMMARY: Final = (
    "show the pools of your processes, or of all of the fleet, who holds their connections, and"
    " their queries"
)

#: Seconds for which processes go on telling all they know, once somebody has looked.
_WATCH: Final = 15.0
#: With the fleet no look may come later: the store lets nobody have them go on for over a minute.
_SELDOM: Final = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Shown are this user's processes with MULTIPOOL_TOP=1 in their environment, or, with"
        " --fleet, all processes that report to the fleet in that database."
    )
    parser.add_argument(
        "--fleet", nargs="?", const="", metavar="DSN", help=f"where the fleet meets: {DSN_HELP}"
    )
    add_driver(parser)
    parser.add_argument("--once", action="store_true", help="print it once, and end")
    parser.add_argument("--json", action="store_true", help="for programs; with --once")
    parser.add_argument(
        "--every",
        type=number(0.1, 3600),
        default=2.0,
        metavar="SECONDS",
        help=f"how often (2); with --fleet at least every {_SELDOM:g}",
    )
    parser.add_argument(
        "--by", choices=list(ORDERS), default="total", help="which queries come first (total)"
    )
    parser.add_argument(
        "--limit",
        type=whole_number(0, 1_000_000),
        default=15,
        metavar="N",
        help="how many queries and holders (15)",
    )


def run(args: argparse.Namespace) -> int:
    """Show them, until Ctrl-C or only once."""
    if args.json and not args.once:
        raise PoolError("--json is for --once")
    refuse_driver_without_fleet(args)
    if args.fleet is not None and args.every > _SELDOM:
        raise PoolError(
            f"--every {args.every:g}: with --fleet it may be {_SELDOM:g} at most, since processes"
            " that nobody looks at for longer tell of no holders and queries"
        )
    with _looks(args) as (look, told):
        if args.once:
            print(json.dumps(told(), indent=2) if args.json else look().as_text())
            return 0
        try:
            from multipool.top.screen import show
        except ModuleNotFoundError as error:
            raise PoolError(
                f"{error.name} is missing: pip install 'multipool[top]', or use --once"
            ) from error
        show(look, args.every)
    return 0


@contextmanager
def _looks(
    args: argparse.Namespace,
) -> Iterator[tuple[Callable[[], Overview], Callable[[], dict[str, Any]]]]:
    """Yield how to look, for a person and for a program."""
    if args.fleet is None:
        yield (
            lambda: overview.overview(*ask(), args.by, args.limit),
            lambda: overview.as_dict(*ask(), args.by, args.limit),
        )
        return
    # Not before they are wanted: most of the fleet's code is of no use to the rest.
    from multipool.fleet import read
    from multipool.top.of_fleet import FleetLook, as_dict, pool_for

    driver = driver_of(args)
    watch = max(_WATCH, 2 * args.every)
    with in_a_line(driver), pool_for(args.fleet, driver, "multipool top") as pool:
        yield (
            FleetLook(pool, watch, args.by, args.limit),
            lambda: as_dict(read(pool, watch=watch), args.by, args.limit),
        )
