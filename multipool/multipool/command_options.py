"""What several commands are told: where a database is, which driver talks to it, and numbers."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    """Return the driver in *args*, else the first that is installed and can `ask` a server.

    Raises `PoolConfigError` if there is none, or that in *args* cannot.
    """
    name: str | None = args.driver or next(_asking(), None)
    if name is None:
        known = ", ".join(drivers()) or "none"
        raise PoolConfigError(
            f"no driver is installed that can ask a server; there are adapters for {known}"
        )
    driver = get_driver(name)
    if not driver.asks:
        allowed = ", ".join(_asking()) or "none that is installed"
        raise PoolConfigError(f"--driver {name}: cannot ask a server; allowed: {allowed}")
    return driver


def _asking() -> Iterator[str]:
    """Give the names of the drivers that are installed and can `ask`."""
    for name in drivers():
        with suppress(PoolConfigError):  # what it adapts is not installed
            if get_driver(name).asks:
                yield name


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
