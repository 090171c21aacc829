"""The demo from beginning to end: what is started, in which order, and what is counted."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from multipool.testing.proxy import Proxy
from multipool_django.demo import ways
from multipool_django.demo.children import Child, ChildFailed, Children
from multipool_django.demo.databases import Databases, serve
from multipool_django.demo.load import Figures
from multipool_django.demo.progress import Progress, Step
from multipool_django.demo.report import Comparison, Report, Way, Workload
from multipool_django.demo.scale import DELAY, FAR_THREADS, POOL, THREADS
from multipool_django.demo.side_by_side import SideBySide
from multipool_django.demo.signals import Stop

WAYS: Final = ("unpooled", "pooled")
FAR_ROUNDS: Final = 2


@dataclass(frozen=True)
class Wishes:
    """What the user asked for. Time is taken for *seconds*, for each figure of the tables."""

    drivers: list[str]
    seconds: float
    clients: int


def show(wishes: Wishes, progress: Progress, stop: Stop) -> Report:
    """Run the demo and return what it found; nothing that it started is left.

    A driver that fails is in the report and does not keep the others. Raises
    `RuntimeError` if the embedded server cannot be started, and `Stopped` on a signal.
    """
    with stop.held(), _server(progress, stop) as databases, stop.released():
        shop, plain = _workloads(wishes)
        report = Report(
            versions=_versions(databases.version),
            settings={"seconds": wishes.seconds, "clients": wishes.clients, **POOL},
            workloads={"shop": shop, "plain": plain},
        )
        for driver in wishes.drivers:
            with Children(stop) as children:
                part = _Part(driver, wishes, databases, children, progress)
                try:
                    driver_version = part.stock()
                    shop.comparisons.append(Comparison(driver, driver_version, *part.shop()))
                    plain.comparisons.append(Comparison(driver, driver_version, *part.plain()))
                except (ChildFailed, RuntimeError) as error:
                    report.failures[driver] = f"{error}\n{children.last_words()}".strip()
        stocked = [each.driver for each in shop.comparisons]
        if stocked:
            with Children(stop) as children:
                try:
                    report.far = _far_away(wishes, stocked, databases, children, progress)
                except ChildFailed as error:
                    report.failures["far away"] = f"{error}\n{children.last_words()}".strip()
    return report


def _far_away(
    wishes: Wishes,
    stocked: list[str],
    databases: Databases,
    children: Children,
    progress: Progress,
) -> dict[str, Figures]:
    """Compare the ways of the *stocked* drivers to a database at the end of a long line."""
    others = [way for way in ways.elsewhere() if way.driver in stocked]
    with (
        progress.step(f"a database {DELAY * 2000:.0f} ms away") as step,
        Proxy(databases.create("far", stocked[0]), delay=DELAY) as line,
    ):
        side_by_side = SideBySide([*map(ways.ours, stocked), *others], line.params, children)
        found = side_by_side.compare(
            "deliver", FAR_THREADS, wishes.seconds / 4, FAR_ROUNDS, step.tick
        )
        children.end()
        return {way.name: figures for way, figures in found.items()}


@contextmanager
def _server(progress: Progress, stop: Stop) -> Iterator[Databases]:
    with ExitStack() as stack:
        with progress.step("starting PostgreSQL") as step:
            databases = stack.enter_context(serve(stop))
            step.outcome = databases.version
        yield databases


def _versions(postgresql: str) -> dict[str, str]:
    return {
        "multipool": version("multipool"),
        "PostgreSQL": postgresql,
        "Django": version("Django"),
        "Python": platform.python_version(),
    }


def _workloads(wishes: Wishes) -> tuple[Workload, Workload]:
    pool = f"a pool of at most {POOL['max_size']} connections"
    return (
        Workload(
            f"A Django shop over HTTP: {wishes.clients} clients, {THREADS} threads, {pool}",
            unit="requests/s",
            unpooled="connects per request",
        ),
        Workload(
            f"Plain Python: {wishes.clients} threads, each reading a row at a time, {pool}",
            unit="transactions/s",
            unpooled="connects per transaction",
        ),
    )


@dataclass(frozen=True)
class _Part:
    """The demo's part on one driver."""

    driver: str
    wishes: Wishes
    databases: Databases
    children: Children
    progress: Progress

    @property
    def engine(self) -> str:
        return f"multipool_django.{self.driver}"

    def stock(self) -> str:
        """Open the shop in a database of the driver's name; return the driver's version."""
        with self.progress.step(f"{self.driver}: migrating and filling the shelves"):
            params = self.databases.create(self.driver)
            told = self.children.start(
                "stock", driver=self.driver, engine=self.engine, params=params
            ).hear()
            self.children.end()
        return str(told["version"])

    def shop(self) -> list[Way]:
        """Let the clients visit two sites that differ in their pool only."""
        with self.progress.step(f"{self.driver}: the shop over HTTP") as step:
            params = self._copies("shop")
            sites = {
                way: self.children.start(
                    "site",
                    engine=self.engine,
                    params=params[way],
                    pool=POOL if way == "pooled" else False,
                )
                for way in WAYS
            }
            ports = {way: site.hear()["port"] for way, site in sites.items()}
            return self._compare(
                self.children.start(
                    "clients",
                    ports=ports,
                    clients=self.wishes.clients,
                    seconds=self.wishes.seconds,
                ),
                params,
                step,
            )

    def plain(self) -> list[Way]:
        """Let threads do without Django what the pool is for."""
        with self.progress.step(f"{self.driver}: plain Python") as step:
            params = self._copies("plain")
            return self._compare(
                self.children.start(
                    "plain",
                    driver=self.driver,
                    params=params,
                    pool=POOL,
                    clients=self.wishes.clients,
                    seconds=self.wishes.seconds,
                ),
                params,
                step,
            )

    def _copies(self, workload: str) -> dict[str, dict[str, str]]:
        """Create a stocked database for each way; return the parameters to reach them."""
        return {
            way: self.databases.create(f"{self.driver} {workload} {way}", self.driver)
            for way in WAYS
        }

    def _compare(
        self, load: Child, params: Mapping[str, Mapping[str, str]], step: Step
    ) -> list[Way]:
        """Follow *load* until it tells its figures; return the two ways in the order of `WAYS`."""
        while "figures" not in (told := load.hear()):
            step.tick()
        self.children.end()
        ways = [
            Way(
                Figures(**told["figures"][way]),
                self.databases.connections_opened(params[way]["dbname"]),
            )
            for way in WAYS
        ]
        before, after = (each.figures.per_second for each in ways)
        step.outcome = f"{before:,.0f} -> {after:,.0f} per second"
        return ways
