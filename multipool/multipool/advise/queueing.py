"""How many connections a load needs, by the theory of queues.

The load is in Erlangs: how many connections would be in use on average if nobody ever had to
wait. By Little's law that is the rate of checkouts times how long each is held, whatever the
times are like. If checkouts came by pure chance, the number in use would vary about it as
Poisson's distribution does, and Erlang's C formula tells who has to wait. Real ones come in
bunches, or are fewer than chance would have them since there are so many threads and no more: how
much more or less they vary (`burst`, the variance by the mean, 1 for pure chance) is taken
into account as Hayward did, by taking a bunch for one.
"""

from __future__ import annotations

import math
from typing import Final

#: Beyond it a pool is no pool, and the search ends.
MOST: Final = 100_000
#: What a burst is taken for at least and at most: below, nothing would vary at all.
_BURSTS: Final = (0.1, 50.0)


def waiting(servers: int, load: float) -> float:
    """Return the share of checkouts that must wait for one of so many *servers* (Erlang's C)."""
    return _waiting(servers, load, _refused(servers, load))


def late(servers: int, load: float, held: float, patience: float) -> float:
    """Return the share of checkouts that wait for longer than *patience*, each *held* so long."""
    return _late(servers, load, held, patience, _refused(servers, load))


def _refused(servers: int, load: float) -> float:
    """Return the share of those that would go away, where nobody waits (Erlang's B)."""
    refused = 1.0
    # Beyond, it is no more than that, and nobody waits for an exact figure.
    for number in range(1, min(servers, MOST) + 1):
        refused = _one_more(number, load, refused)
    return refused


def _one_more(servers: int, load: float, refused: float) -> float:
    """Return that share for so many *servers*, where it is *refused* for one fewer."""
    return load * refused / (servers + load * refused)


def _waiting(servers: int, load: float, refused: float) -> float:
    if load <= 0:
        return 0.0
    if load >= servers:
        return 1.0
    return refused / (1 - load / servers * (1 - refused))


def _late(servers: int, load: float, held: float, patience: float, refused: float) -> float:
    must_wait = _waiting(servers, load, refused)
    if load >= servers or held <= 0:
        return must_wait
    return must_wait * math.exp(-(servers - load) * patience / held)


def enough(
    load: float, held: float, *, patience: float, share: float = 0.01, burst: float = 1.0
) -> int:
    """Return the least number with which no more than *share* wait longer than *patience*."""
    if load <= 0:
        return 0
    bunches = min(load / within(burst), MOST)
    servers = max(math.ceil(bunches), 1)
    refused = _refused(servers, bunches)
    while _late(servers, bunches, held, patience, refused) > share and servers < MOST:
        servers += 1
        refused = _one_more(servers, bunches, refused)
    return math.ceil(servers * within(burst))


def within(burst: float) -> float:
    """Return *burst*, but no more and no less than makes sense."""
    return min(max(burst, _BURSTS[0]), _BURSTS[1])
