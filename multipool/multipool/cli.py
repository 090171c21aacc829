"""The program ``multipool``: finds its commands by entry point, and runs the one named.

A command is a module that a distribution offers through the group ``multipool.commands``::

    [project.entry-points."multipool.commands"]
    demo = "multipool_django.demo.command"

so the core need not import what a command needs, and others can add their own.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points, version
from typing import Final, NoReturn, Protocol

from multipool.conninfo import SECRETS
from multipool.errors import PoolError

GROUP: Final = "multipool.commands"

#: What stands in a DSN, or nowhere: the keys are libpq's, whose values nobody should see.
_DSN: Final = rf"(?:://|@|(?:{'|'.join(SECRETS)})\s*=)"
#: A complaint from its first word of a DSN on, up to what might have been chosen instead.
_TELLING: Final = re.compile(
    rf"(\s(?:--?[\w-]+=)?)\S*?{_DSN}.*?(?=( \(choose from [^()]*\))?$)", re.DOTALL | re.IGNORECASE
)


class Command(Protocol):
    """What an entry point of the group names; usually a module."""

    @property
    def SUMMARY(self) -> str:  # noqa: N802 -- a constant of the module
        """One line for ``multipool --help``."""
        ...

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and return the exit status. A `PoolError` is shown without a traceback."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that *argv* names (by default: that of the process).

    Returns the exit status: the command's own, 1 after a `PoolError` or where its output goes
    nowhere, 130 after Ctrl-C. Raises `SystemExit` with status 2 for arguments that make no sense.
    """
    try:
        try:
            return _run(argv)
        finally:
            # Not only as the interpreter ends, which could tell of an error by a traceback alone.
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # else who read it has seen enough
            print(f"multipool: {error}", file=sys.stderr)
        _print_no_more()
        return 1


def _run(argv: Sequence[str] | None) -> int:
    commands = {entry.name: entry for entry in entry_points(group=GROUP)}
    front = _Front(commands)
    front.add_argument("--version", action="version", version=f"multipool {version('multipool')}")
    front.add_argument("command", choices=sorted(commands))
    # argparse takes "the rest" for required, and would ask for it by name.
    front.add_argument("options", nargs=argparse.REMAINDER).required = False
    args = front.parse_args(argv)

    command = _load(commands[args.command])
    # Whole names only: what was meant for another option, a secret even, is taken for none.
    parser = _Parser(
        prog=f"multipool {args.command}", description=command.SUMMARY, allow_abbrev=False
    )
    command.add_arguments(parser)
    try:
        return command.run(_parsed(parser, args.options))
    except PoolError as error:
        print(f"multipool {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Repeats no DSN in what it says is wrong: a password may be in it, and a log may have it."""

    def error(self, message: str) -> NoReturn:
        """End the program with status 2."""
        super().error(_TELLING.sub(r"\1[not repeated: it may hold a password]", message))


class _Front(_Parser):
    """Parses up to the command's name; knows the commands for its help."""

    def __init__(self, commands: Mapping[str, EntryPoint]) -> None:
        super().__init__(prog="multipool", usage="multipool [--version] command [options]")
        self._commands = commands

    def format_help(self) -> str:
        """Return what ``multipool --help`` prints; only this loads every command."""
        width = max(map(len, self._commands), default=0)
        lines = [
            f"  {name:<{width}}  {_load(entry).SUMMARY}"
            for name, entry in sorted(self._commands.items())
        ]
        return "\n".join(
            [
                self.format_usage(),
                "One PostgreSQL connection pool for any driver.\n",
                "commands:",
                *lines,
                "\n'multipool command --help' tells the options of a command.\n",
            ]
        )


def _parsed(parser: argparse.ArgumentParser, options: Sequence[str]) -> argparse.Namespace:
    """Return the options, wherever among them the DSN stands."""
    try:
        return parser.parse_intermixed_args(options)
    except TypeError:  # a command with commands of its own, which argparse can read in order only
        return parser.parse_args(options)


def _print_no_more() -> None:
    """Have what is buffered yet go nowhere: it would fail again as the interpreter ends."""
    with suppress(OSError, ValueError):  # the latter where it is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)


def _load(entry: EntryPoint) -> Command:
    command: Command = entry.load()
    return command


if __name__ == "__main__":
    raise SystemExit(main())
