"""A server, as far as the budget knows it: its sessions, and the store of ``multipool.claim``.

What a claim does here is what it does there, line by line; see ``fleet/schema.sql``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multipool.budget.sharing import Group, State, granted
from multipool.testing.shares.world import World


@dataclass(slots=True)
class Row:
    """What the store knows of one process."""

    host: str
    want: int = 0
    cap: int = 0
    share: int = 0
    turn: float = 0.0
    ends: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What it answers to a claim."""

    share: int
    cap: int
    state: State


class Store:
    """One server for one application."""

    def __init__(self, world: World, budget: int) -> None:
        self._world = world
        self.budget = budget
        self.rows: dict[int, Row] = {}
        #: The sessions of each process; and those by which somebody only asks, by host.
        self.sessions: Counter[int] = Counter()
        self.asking: Counter[str] = Counter()
        self.lent = 0
        #: How often it was emptied, and until when it is away then.
        self.crashes = 0
        self.away_until = 0.0
        self.claims = 0
        #: The most sessions that there ever were: of pools, and those that ask with them.
        self.most_lent = 0
        self.most = 0

    def connect(self, process: int) -> None:
        """Begin a session of a pool's."""
        self.sessions[process] += 1
        self.lent += 1
        self._count()

    def disconnect(self, process: int) -> None:
        """End one, if a crash has not."""
        if self.sessions[process]:
            self.sessions[process] -= 1
            self.lent -= 1

    def bury(self, process: int) -> None:
        """End all of a process that has died."""
        self.lent -= self.sessions.pop(process, 0)

    def ask(self, host: str) -> None:
        """Begin a session by which somebody asks who has none."""
        self.asking[host] += 1
        self._count()

    def _count(self) -> None:
        self.most_lent = max(self.most_lent, self.lent)
        self.most = max(self.most, self.lent + self.asking.total())

    def crash(self, seconds: float) -> None:
        """Lose all sessions and, since its tables are unlogged, all rows; be away for so long."""
        self.crashes += 1
        self.away_until = self._world.now + seconds
        self.rows.clear()
        self.sessions.clear()
        self.lent = 0

    def claim(self, process: int, told: Mapping[str, Any]) -> Answer | None:
        """Do what ``multipool.claim`` does."""
        self.claims += 1
        now, rows = self._world.now, self.rows
        for number in told["gone"]:
            if number in rows and rows[number].host == told["host"]:
                rows[number].ends = float("-inf")
        for number in [number for number, row in rows.items() if row.ends < now]:
            row, served = rows[number], self.sessions[number]
            if not served and number != process:
                del rows[number]
            else:
                row.share, row.cap, row.want = min(row.share, served), min(row.cap, served), 0
        if told.get("leave"):
            if process in rows:
                row = rows[process]
                row.share, row.cap, row.want, row.ends = told["held"], 0, 0, float("-inf")
            return None
        mine = rows.setdefault(process, Row(told["host"], turn=now))
        mine.ends = now + told["lease"]
        if told["end_turn"] or (mine.want == 0 and told["want"] > 0):
            mine.turn = now
        mine.want = max(told["want"], 0)
        others = sum(row.share for row in rows.values()) - mine.share
        coming = sum(row.share - row.cap for row in rows.values()) - mine.share + mine.cap
        shared = self.budget - self.kept()
        due = granted(shared, others, min(told["keep"], mine.share), told["ask"])
        mine.share = max(told["held"], due)
        mine.cap = min(due, max(told["cap"], told["ask"]))
        free = shared - others - mine.share
        state = State(shared, free, coming, tuple(self._groups(process, mine)))
        return Answer(mine.share, mine.cap, state)

    def kept(self) -> int:
        """Return how many are not shared out: those who have none ask by them."""
        hosts = len({row.host for row in self.rows.values()})
        return max(1, min(hosts, self.budget // 10))

    def _groups(self, process: int, mine: Row) -> list[Group]:
        members: Counter[tuple[int, int]] = Counter()
        ahead: Counter[tuple[int, int]] = Counter()
        place = (mine.turn, process)
        for number, row in self.rows.items():
            if number != process and row.ends >= self._world.now:
                kind = row.want, row.cap
                members[kind] += 1
                ahead[kind] += (row.turn, number) < place
        return [Group(*kind, number, ahead[kind]) for kind, number in members.items()]
