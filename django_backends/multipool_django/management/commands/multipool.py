"""``manage.py multipool``: what the pools of this project look like."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from multipool.watch.queries.report import ORDERS
from multipool_django.management import queries, status, usage

#: What can be reported, each by a module with ``collect`` and ``as_text``.
REPORTS: Final[dict[str, ModuleType]] = {
    "queries": queries,
    "status": status,
    "usage": usage,
}

#: The options that only one report has.
OF_QUERIES: Final = ("by", "limit")


class Command(BaseCommand):
    """Prints one of `REPORTS`, for a person or as JSON."""

    help = (
        "Shows the connection pools of this project and how full their servers are, their queries,"
        " or for what their connections are held."
    )
    # It is of most use when something is wrong.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "report", nargs="?", choices=sorted(REPORTS), default="status", help="default: status"
        )
        parser.add_argument(
            "--database", metavar="ALIAS", choices=sorted(connections), help="only this alias"
        )
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument("--by", choices=list(ORDERS), help="which queries come first: total")
        parser.add_argument("--limit", type=int, metavar="N", help="how many queries: 20")

    def handle(self, **options: Any) -> None:
        """Print the report; fail if an alias has none or its server cannot be reached."""
        report = REPORTS[options["report"]]
        chosen = {name: options[name] for name in OF_QUERIES if options[name] is not None}
        if chosen and report is not queries:
            raise CommandError(f"--{next(iter(chosen))}: only 'multipool queries' has it")
        if chosen.get("limit", 0) < 0:
            raise CommandError(f"--limit {chosen['limit']}: must be at least 0")
        asked = options["database"]
        aliases = [asked] if asked else list(connections)
        pooled = [alias for alias in aliases if getattr(connections[alias], "pooled", False)]
        if not pooled:
            raise CommandError(
                f"no pool: {', '.join(aliases or [DEFAULT_DB_ALIAS])}"
                ' has another ENGINE, or OPTIONS["pool"] is False'
            )
        found = [report.collect(connections[alias], **chosen) for alias in pooled]
        self.stdout.write(json.dumps(found, indent=2) if options["json"] else report.as_text(found))
        failed = [entry["alias"] for entry in found if entry["error"]]
        if failed:
            raise CommandError(f"not reached: {', '.join(failed)}")
