"""The command ``multipool advise``."""

from __future__ import annotations

import argparse
import json
import os
from typing import Final

from multipool.advise.judging import Aim, judge
from multipool.advise.loads import Facts, of_fleet, of_processes
from multipool.advise.words import NOBODY, as_dict, as_text, unheard_of
from multipool.command_options import (
    DSN_HELP,
    add_driver,
    driver_of,
    in_a_line,
    number,
    refuse_driver_without_fleet,
    whole_number,
)
from multipool.conninfo import parse
from multipool.errors import PoolError
from multipool.watch.asking import ask
from multipool.watch.exposed import VARIABLE

SUMMARY: Final = "say what max_size and budget should be, from what was recorded, and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        f"Asked are this user's processes with {VARIABLE}=1 in their environment, or, with"
        " --fleet, what all processes have told the fleet."
    )
    parser.add_argument(
        "--fleet", nargs="?", const="", metavar="DSN", help=f"where the fleet meets: {DSN_HELP}"
    )
    add_driver(parser)
    parser.add_argument("--app", help="this application only")
    parser.add_argument(
        "--wait",
        type=number(0.001, 60),
        default=Aim().patience,
        metavar="SECONDS",
        help="no more than one checkout in a hundred is to wait longer (%(default)s)",
    )
    parser.add_argument(
        "--cores",
        type=whole_number(1, 4096),
        metavar="N",
        help="the server's processors (this machine's, if the server is on it)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print it. Status 1 where nothing is known of any pool."""
    refuse_driver_without_fleet(args)
    facts, cores = _facts(args)
    if args.app is not None:
        known = sorted({load.app for load in facts.loads})
        if args.app not in known:
            there = f"there are {', '.join(known)}" if known else NOBODY
            raise PoolError("; ".join([f"--app {args.app}: {there}", *unheard_of(facts)]))
        facts = facts.only(args.app)
    advice = judge(facts, Aim(args.wait, cores))
    print(json.dumps(as_dict(advice), indent=2) if args.json else as_text(advice))
    return 0 if facts.loads else 1


def _facts(args: argparse.Namespace) -> tuple[Facts, int | None]:
    """Return what was told, and how many processors the server has if that is known."""
    if args.fleet is None:
        return of_processes(*ask()), args.cores
    from multipool.fleet import read
    from multipool.top.of_fleet import pool_for

    driver = driver_of(args)
    with in_a_line(driver), pool_for(args.fleet, driver, "multipool advise") as pool:
        facts = of_fleet(read(pool, watch=0))  # what is wanted is in every report
    return facts, args.cores or (os.cpu_count() if _is_here(args.fleet) else None)


def _is_here(dsn: str) -> bool:
    """Return whether the server is on this machine."""
    from multipool.dashboard.guard import is_loopback

    params = parse(dsn)

    def told(name: str) -> str:
        return str(params.get(name) or os.environ.get(f"PG{name.upper()}") or "")

    if told("service"):  # libpq alone knows where that is
        return False
    hosts = (told("hostaddr") or told("host")).split(",")
    return all(not one or one.startswith(("/", "@")) or is_loopback(one) for one in hosts)
