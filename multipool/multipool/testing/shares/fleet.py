"""All processes together, what they have to do, and whether the budget is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from multipool.budget.neighbours import MOURNING
from multipool.clock import TICK
from multipool.testing.shares.process import Process
from multipool.testing.shares.store import Store
from multipool.testing.shares.world import World

#: Seconds until the server knows that a process was killed, at most; and until one knows that the
#: server has ended.
_LINGER: Final = 1.0
_NOTICE: Final = 0.05
#: Seconds until those on the same machine can tell of one that was killed.
_KNOWN: Final = TICK + MOURNING


class BudgetExceededError(AssertionError):
    """There were, or could have been, more connections than the budget allows."""


@dataclass(frozen=True, slots=True)
class Model:
    """How everything is that is not decided by the share logic. Times are in seconds."""

    budget: int = 12
    processes: int = 4
    hosts: int = 1
    max_size: int = 10
    #: How long a connection is used each time, on average; and a message takes, at least and at
    #: most.
    held: float = 0.1
    latency: tuple[float, float] = (0.0005, 0.005)
    #: Which part of the claims is lost, on the way there or back.
    loss: float = 0.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """How it was at one moment."""

    at: float
    #: Sessions on the server, by the groups of processes; connections in use, those wanted, and
    #: what all may open.
    sessions: tuple[int, ...]
    used: int
    wanted: int
    allowed: int


class Fleet:
    """Plays a model. Raises `BudgetExceededError` as soon as the budget is not kept."""

    def __init__(self, model: Model, groups: Sequence[range] = ()) -> None:
        self.model = model
        self._groups = groups or [range(model.processes)]
        self.world = World(model.seed)
        self.store = Store(self.world, model.budget)
        self.processes: list[Process] = []
        #: Those that may have sessions, or begin some: the killed too, until the server knows.
        self.holders: set[Process] = set()
        #: By host, those that were killed, which the store does not know yet.
        self._dead: defaultdict[str, set[int]] = defaultdict(set)
        self._started = 0
        self._rates: dict[int, float] = {}
        self._changes = 0
        self.samples: list[Sample] = []
        #: The longest waits since `forget_waits`, by process.
        self.waits: dict[int, float] = {}
        for place in range(model.processes):
            self._start(place)

    # -- what processes ask of it --------------------------------------------------------------

    def latency(self) -> float:
        """Return how long one message takes."""
        return self.world.chance.uniform(*self.model.latency)

    def job(self) -> float:
        """Return how long one connection is used."""
        return self.world.chance.expovariate(1 / self.model.held)

    def lost(self) -> Literal["question", "answer"] | None:
        """Return what of one claim is lost."""
        if self.world.chance.random() >= self.model.loss:
            return None
        return "question" if self.world.chance.random() < 0.5 else "answer"

    def waited(self, process: Process, seconds: float) -> None:
        """Note that somebody got a connection after so many seconds."""
        self.waits[process.number] = max(self.waits.get(process.number, 0.0), seconds)

    def knock(self, process: Process) -> None:
        """Wake the others on its host."""
        for one in self._neighbours(process.host):
            if one is not process and one.alive:
                self.world.after(self.latency(), one.hear)

    def gone(self, host: str) -> list[int]:
        """Return which of those on *host* are known to be dead, and not buried yet."""
        return list(self._dead[host])

    def told_of(self, host: str, gone: list[int]) -> None:
        """Note that the store knows of these."""
        self._dead[host].difference_update(gone)

    def _neighbours(self, host: str) -> list[Process]:
        return [one for one in self.processes if one.host == host]

    def look(self) -> None:
        """See that the budget is kept: by what there is, and by what could be opened next."""
        most = self.model.budget - 1  # one is for asking
        sessions = self.store.lent
        allowed = self.allowed()
        if sessions > most or allowed > most:
            raise BudgetExceededError(
                f"after {self.world.now:.3f} s of {self.model}: {sessions} sessions, and"
                f" {allowed} allowed, of {most}"
            )

    def allowed(self) -> int:
        """Return how many connections processes have or may open, and the dead have left."""
        each = [(one, one.allowed) for one in self.holders]
        self.holders = {one for one, allowed in each if allowed}
        return sum(allowed for _, allowed in each)

    # -- what happens to it --------------------------------------------------------------------

    def load(self, rates: Callable[[int], float]) -> None:
        """From now on have each process asked for connections so often, by its place."""
        self._changes += 1
        for place in range(len(self.processes)):
            self._rates[place] = rates(place)
            if self._rates[place] > 0:
                self.world.after(self._gap(place), self._come, place, self._changes)

    def kill(self, places: Iterable[int]) -> None:
        """Kill these, and let the server hear of it a moment later."""
        for place in places:
            process = self.processes[place]
            if process.alive:
                self.world.after(_KNOWN, self._dead[process.host].add, process.number)
            process.kill()
            self.world.after(self.world.chance.uniform(0, _LINGER), self._bury, process)

    def restart(self, places: Iterable[int]) -> None:
        """Start those anew that were killed."""
        for place in places:
            if not self.processes[place].alive:
                self._start(place)

    def crash(self, seconds: float = 1.0) -> None:
        """Crash the server."""
        self.store.crash(seconds)
        for process in self.processes:
            self.world.after(self.world.chance.uniform(0, _NOTICE), process.lose_all)

    def pass_time(self, seconds: float, every: float = 0.5) -> None:
        """Let so many seconds go by, and look now and then."""
        end = self.world.now + seconds
        while self.world.now < end:
            self.world.pass_time(min(self.world.now + every, end))
            self.look()
            alive = [one for one in self.processes if one.alive]
            self.samples.append(
                Sample(
                    at=self.world.now,
                    sessions=tuple(map(self.sessions_of, self._groups)),
                    used=sum(one.used for one in alive),
                    wanted=sum(one.used + len(one.waiting) for one in alive),
                    allowed=self.allowed(),
                )
            )

    def sessions_of(self, places: Iterable[int]) -> int:
        """Return how many sessions these have."""
        return sum(self.store.sessions[self.processes[place].number] for place in places)

    def forget_waits(self) -> None:
        """Begin to note the longest waits anew."""
        self.waits = {}

    def _start(self, place: int) -> None:
        host = f"host-{place % self.model.hosts}"
        process = Process(self, self._started, host, self.model.max_size)
        self._started += 1
        if place < len(self.processes):
            self.processes[place] = process
        else:
            self.processes.append(process)

    def _bury(self, process: Process) -> None:
        self.store.bury(process.number)

    def _come(self, place: int, change: int) -> None:
        if change == self._changes:
            if self.processes[place].alive:
                self.processes[place].want()
            self.world.after(self._gap(place), self._come, place, change)

    def _gap(self, place: int) -> float:
        return self.world.chance.expovariate(self._rates[place])
