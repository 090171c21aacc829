"""How a claim is put to the store in PostgreSQL, and what its answer says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from multipool.budget.sharing import Group, State
from multipool.fleet.lines import Line
from multipool.fleet.wire import as_json

CLAIM: Final = "select multipool.claim(%s::jsonb)::text"

#: What a server may have at most; for those who may not, or cannot, ask it for more.
SERVER: Final = (
    "select (current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int)::text"
)

#: Other names than these are of hosts with fewer connections.
Hosts = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store recorded, and the picture it gave."""

    share: int
    cap: int
    #: All of it, and how many of those are kept for asking.
    budget: int
    kept: int
    state: State
    #: How many there are; and of the largest the name, the processes and the connections.
    processes: int
    host_count: int
    hosts: Hosts

    @classmethod
    def read(cls, told: Any) -> Self:
        """Return what *told*, the answer of ``multipool.claim``, says."""
        return cls(
            share=told["share"],
            cap=told["cap"],
            budget=told["budget"],
            kept=told["kept"],
            state=State(
                budget=told["budget"] - told["kept"],
                free=told["free"],
                coming=told["coming"],
                groups=tuple(Group(*group) for group in told["groups"]),
            ),
            processes=told["processes"],
            host_count=told["host_count"],
            hosts=tuple((str(name), number, held) for name, number, held in told["hosts"]),
        )


def claim(line: Line, told: dict[str, Any]) -> Answer:
    """Put a claim to the store over *line*. Raises the driver's error."""
    return Answer.read(json.loads(line.ask(CLAIM, as_json(told)) or "null"))


def leave(line: Line, told: dict[str, Any]) -> None:
    """Tell the store that this pool is about to end."""
    line.ask(CLAIM, as_json({**told, "leave": True}))
