"""The command ``multipool serve``: the dashboard with a server around it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Final

from multipool.command_options import add_driver, driver_of, whole_number
from multipool.conninfo import parse
from multipool.dashboard import wsgi_app
from multipool.dashboard.guard import is_loopback
from multipool.dashboard.server import listen
from multipool.errors import PoolConfigError
from multipool.leaving import left_at
from multipool.pool import Pool

SUMMARY: Final = "serve the page that shows all pools of all processes"

#: Holds the token. Not an option: every user of a machine can read others' command lines.
TOKEN: Final = "MULTIPOOL_DASHBOARD_TOKEN"  # noqa: S105 -- its name
PORT: Final = 8932


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "dsn",
        nargs="?",
        default="",
        help="the database in which the fleet meets, whose role may read it (default: what"
        " libpq's environment says); a password is better kept in PGPASSWORD or a passfile",
    )
    add_driver(parser)
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=PORT,
        help="default: %(default)s; 0: any",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        help=f"a file that holds the token to sign in with, else ${TOKEN}; without a token only"
        " this machine is served",
    )
    parser.add_argument(
        "--allow-ending", action="store_true", help="let viewers cancel queries and end sessions"
    )
    parser.add_argument(
        "--raw-sql", action="store_true", help="show statements with their literals"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted, or told to end; return the exit status.

    Raises `PoolConfigError` for options that do not do, and `PoolError` if it cannot listen.
    """
    driver = driver_of(args)
    token = _token(args.token_file)
    if token is None and not is_loopback(args.host):
        raise PoolConfigError(
            f"--host {args.host} is seen from other machines: set a token, in {TOKEN} or"
            " --token-file"
        )
    params = {"application_name": "multipool serve", **parse(args.dsn)}
    with (
        # As the first process of a container it would not be heeded without a handler.
        left_at({signal.SIGTERM: 0}),
        Pool(params, driver=driver, name="dashboard", max_size=2, timeout=5) as pool,
    ):
        application = wsgi_app(pool, token=token, may_end=args.allow_ending, raw_sql=args.raw_sql)
        with listen(args.host, args.port, application) as server:
            print(f"http://{server.address}/", flush=True)
            print("Ctrl-C ends it.", file=sys.stderr)
            server.serve_forever()
    return 0


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN)
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PoolConfigError(f"--token-file {file}: {error.strerror}") from error
    except UnicodeDecodeError:  # which has the token in it
        raise PoolConfigError(f"--token-file {file}: must be text in UTF-8") from None
