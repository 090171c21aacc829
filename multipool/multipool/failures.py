"""Why a connect to PostgreSQL failed: for adapters to answer `Driver.failure`.

libpq hands no SQLSTATE on when a connection cannot be opened, so there the words must do.
What is not recognised, as in a translated message, counts as a refusal: to fail at once is
less harm than a storm of attempts, which locks accounts.
"""

from __future__ import annotations

import re
from typing import Final

from multipool.driver import FULL, OUTAGE, REFUSAL

_FULL: Final = re.compile(
    r"too many clients|too many connections|connection slots are reserved"
    # A PgBouncer's: in all, and for one database or user.
    r"|no more connections allowed|client connections exceeded",
    re.IGNORECASE,
)

#: Said by the line, or by libpq of it.
_NO_ANSWER: Final = re.compile(
    r"connection refused|connection reset|timed out|timeout expired|no route to host"
    r"|network is unreachable|host is (?:down|unreachable)|temporary failure in name resolution"
    r"|is the server running|broken pipe"
    r"|(?:closed the connection|connection has been closed) unexpectedly"
    # In the midst of a TLS handshake.
    r"|EOF detected|EOF occurred|unexpected EOF"
    # It answers, but is not what is asked for: so it is while one is being promoted.
    r"|session is (?:not )?read-only|server is (?:not )?in hot standby mode"
    r"|not what target_session_attrs",
    re.IGNORECASE,
)
#: Said by a server that starts or stops, or by a PgBouncer or Pgpool-II that cannot reach its own.
_NOT_NOW: Final = re.compile(
    r"the database system is|not yet accepting connections|terminating connection due to"
    r"|server conn crashed|server login (?:has been )?fail|connection to server was lost"
    # Whose words are no sentences: a name that was refused may hold them too.
    r"|(?:FATAL|ERROR):\s+(?:client_login_timeout|query_wait_timeout|server shutting down"
    r"|pgpool is not accepting|all backend nodes are down|failed to create a backend connection)",
    re.IGNORECASE,
)
#: Why a PgBouncer cannot, where it will not help to ask again.
_NEVER: Final = re.compile(r"authentication failed|does not exist", re.IGNORECASE)

#: By which a PgBouncer, or a Pgpool-II, says whatever it has to say: its words must do.
_POOLERS: Final = frozenset(["08P01", "57000", "58000", "XX000"])


def judge(sqlstate: str | None, message: str) -> str:
    """Return `REFUSAL`, `OUTAGE` or `FULL` for a failed connect.

    *message*: with the server's severity in front of its words, as libpq has it.
    """
    if sqlstate is not None and sqlstate not in _POOLERS:
        if sqlstate.startswith("53"):
            return FULL
        # 57P01 to 57P03: shutting down, crashed, starting; 08: the connection itself.
        return OUTAGE if sqlstate.startswith(("57P0", "08")) and sqlstate != "57P04" else REFUSAL
    if _FULL.search(message):
        return FULL
    if _NOT_NOW.search(message):
        return REFUSAL if _NEVER.search(message) else OUTAGE
    # What a server says that refuses may hold these words too.
    answered = sqlstate is not None or "FATAL:" in message
    return OUTAGE if not answered and _NO_ANSWER.search(message) else REFUSAL
