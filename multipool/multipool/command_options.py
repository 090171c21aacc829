"""What several commands are told: where a database is, which driver talks to it, and numbers."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

from multipool.driver import Driver, drivers, get_driver
from multipool.errors import PoolConfigError, PoolError

#: Of every DSN that a command takes.
DSN_HELP: Final = (
    "a libpq URI or key=value string (default: what libpq's environment says); a password is"
    " better kept in PGPASSWORD or a passfile"
)


def add_driver(parser: argparse.ArgumentParser) -> None:
    """Declare ``--driver``."""
    parser.add_argument("--driver", choices=drivers(), help="default: the first that is installed")


def driver_of(args: argparse.Namespace) -> Driver:
    """Return the driver in *args*. Raises `PoolConfigError` if none is installed."""
    chosen: str | None = args.driver or next(filter(find_spec, drivers()), None)
    if chosen is None:
        known = ", ".join(drivers())
        raise PoolConfigError(f"no driver is installed; there are adapters for {known}")
    return get_driver(chosen)


def refuse_driver_without_fleet(args: argparse.Namespace) -> None:
    """Raise `PoolError` where ``--driver`` was given to a command that asks no server then."""
    if args.driver is not None and args.fleet is None:
        raise PoolError("--driver is for --fleet")


def number(least: float, most: float) -> Callable[[str], float]:
    """Return what reads an option that is a number from *least* to *most*."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"must be a number from {least:g} to {most:g}, not {text!r}"
            )
        return value

    return read


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads an option that is a whole number from *least* to *most*, 0 or more."""

    def read(text: str) -> int:
        # No more digits than the most has: Python reads a few thousand, and refuses more.
        digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
        if not (digits and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {text!r}"
            )
        return int(text)

    return read


@contextmanager
def in_a_line(driver: Driver) -> Iterator[None]:
    """Have an error of *driver*'s told in a line: it becomes a `PoolError`."""
    try:
        yield
    except driver.Error as error:
        if isinstance(error, PoolError):
            raise
        raise PoolError(f"{type(error).__name__}: {error}".strip()) from error
