"""The command ``multipool fleet``: install it in a database, and see how it is there."""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from multipool.command_options import DSN_HELP, add_driver, driver_of, in_a_line
from multipool.driver import Driver
from multipool.errors import PoolError
from multipool.fleet import read
from multipool.fleet.installing import install, script, status
from multipool.fleet.summary import as_text
from multipool.pool import Pool

SUMMARY: Final = "see the pools of all processes in one place: install, status, show"

#: Seconds that connecting may take.
_CONNECTING: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=["install", "status", "show"])
    parser.add_argument("dsn", nargs="?", default="", help=DSN_HELP)
    add_driver(parser)
    parser.add_argument(
        "--writer",
        action="append",
        default=[],
        metavar="ROLE",
        help="install: a role as which applications connect; may be given several times",
    )
    parser.add_argument(
        "--reader",
        action="append",
        default=[],
        metavar="ROLE",
        help="install: a role that may see the fleet; may be given several times",
    )
    parser.add_argument(
        "--sql", action="store_true", help="install: print what would be run, and run nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Do it. Status 1 where the fleet is not installed, or something cannot be done."""
    _refuse_what_means_nothing(args)
    if args.sql:
        print(script(args.writer, args.reader))
        return 0
    driver = driver_of(args)
    with in_a_line(driver):
        if args.what == "show":
            return _show(driver, args)
        params = driver.parse_dsn(args.dsn)
        driver.check_params(params)
        conn = driver.connect(params, _CONNECTING)
        try:
            if args.what == "install":
                install(driver, conn, args.writer, args.reader)
            return _status(status(driver, conn), as_json=args.json)
        finally:
            driver.close(conn)


def _refuse_what_means_nothing(args: argparse.Namespace) -> None:
    """Raise `PoolError` where an option was given that what is to be done would pass over."""
    if args.what != "install":
        for option in ("writer", "reader", "sql"):
            if getattr(args, option):
                raise PoolError(f"--{option} is for install, not for {args.what}")
    elif args.sql and args.json:
        raise PoolError("--json is for what was done, not for --sql")


def _show(driver: Driver, args: argparse.Namespace) -> int:
    with Pool(args.dsn, driver=driver, max_size=1, timeout=_CONNECTING, name="fleet") as pool:
        snapshot = read(pool)
    print(json.dumps(snapshot.as_dict(), indent=2) if args.json else as_text(snapshot))
    return 0


def _status(found: dict[str, Any] | None, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(found, indent=2))
    elif found is None:
        print("the fleet is not installed in this database: run `multipool fleet install`")
    else:
        role = found["role"]
        print(f"the fleet is installed in database {found['database']}")
        print(f"role {role} {'may' if found['writes'] else 'may not'} report to it")
        if found["writes"] and not found["shares"]:
            print(f"role {role} may not share a budget: run `multipool fleet install` again")
        print(f"role {role} {'may' if found['reads'] else 'may not'} read it")
        if found["reads"] and not found["sees_all"]:
            print(f"role {role} sees only its own sessions: it is not in pg_read_all_stats")
        if found["owns"]:
            print(
                f"role {role} owns it: applications should connect as another,"
                " else they could read it too"
            )
    return 0 if found is not None else 1
