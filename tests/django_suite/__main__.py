"""Run the test suite of the installed Django on one ENGINE, pooled.

``python -m tests.django_suite [--engine pg8000] [--option binding=client] [...]``, where
the rest is for Django's ``runtests.py``: labels (none: the whole suite), ``--parallel 1``,
``-v 2`` and so on; ``--engine postgis.psycopg gis_tests`` is for PostGIS. ``--engine
django.db.backends.postgresql`` runs Django's own, to compare with: as root, for one, it too
fails where files should be out of reach.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django

from multipool.driver import drivers
from multipool_django.engines import ENGINES, PREFIX

from .server import NoServer, contrib_server
from .settings import MODULE, render
from .sources import NoSources, fetch_suite

#: Four connections are few: what does not give its own back is found out soon.
POOL = {"max_size": 4}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; return the exit status of Django's ``runtests.py``."""
    parser = _parser()
    asked, rest = parser.parse_known_args(arguments)
    engine = asked.engine or _only_engine(parser)
    options: dict[str, Any] = dict(asked.option)
    if PREFIX + engine in ENGINES:
        engine = PREFIX + engine
        options["pool"] = {**POOL, "hold": asked.hold}
        if asked.prepare is not None:
            options["pool"]["prepare"] = {"threshold": asked.prepare}
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="suite-") as folder:
        try:
            with contrib_server() as params:
                suite = fetch_suite(django.get_version(), Path(folder))
                (Path(folder) / f"{MODULE}.py").write_text(render(engine, params, options))
                return _run(suite, Path(folder), rest)
        except NoServer as reason:
            if not asked.skip_without_server:
                parser.exit(1, f"{reason}\n")
            sys.stderr.write(f"skipped: {reason}\n")
            return 0
        except NoSources as reason:
            parser.exit(1, f"{reason}\n")


def _run(suite: Path, folder: Path, arguments: Sequence[str]) -> int:
    command = [sys.executable, "runtests.py", f"--settings={MODULE}", "--noinput", *arguments]
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=suite, env=environment, check=False).returncode


def _only_engine(parser: argparse.ArgumentParser) -> str:
    installed = [name for name in drivers() if find_spec(name)]
    if len(installed) != 1:
        parser.error(f"of these drivers that are installed, --engine names one: {installed}")
    return installed[0]


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.django_suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--engine", help="the driver of an ENGINE of ours, or any ENGINE; by default the only one"
    )
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_option,
        help="an entry of OPTIONS; the value is JSON, or else text",
    )
    parser.add_argument(
        "--prepare",
        metavar="N",
        type=int,
        help="have the pool prepare each statement after N executions on a connection",
    )
    parser.add_argument(
        "--hold",
        choices=["request", "transaction"],
        default="request",
        help="until when Django holds a connection; the option of the pool of this name",
    )
    parser.add_argument("--folder", help="where to put the sources; a temporary one by default")
    parser.add_argument(
        "--skip-without-server",
        action="store_true",
        help="succeed, and say so, where there is no PostgreSQL with the contrib extensions",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
