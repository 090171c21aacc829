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
    r"|no more connections allowed",
    re.IGNORECASE,
)

_OUTAGE: Final = re.compile(
    r"connection refused|connection reset|timed out|timeout expired|no route to host"
    r"|network is unreachable|host is (?:down|unreachable)|temporary failure in name resolution"
    r"|is the server running|closed the connection unexpectedly|broken pipe"
    r"|the database system is|not yet accepting connections|terminating connection due to"
    r"|server conn crashed|server login (?:has been )?fail|connection to server was lost",
    re.IGNORECASE,
)


def judge(sqlstate: str | None, message: str) -> str:
    """Return `REFUSAL`, `OUTAGE` or `FULL` for a failed connect."""
    if sqlstate is not None:
        if sqlstate.startswith("53"):
            return FULL
        # 57P01 to 57P03: shutting down, crashed, starting; 08: the connection itself.
        return OUTAGE if sqlstate.startswith(("57P0", "08")) and sqlstate != "57P04" else REFUSAL
    if _FULL.search(message):
        return FULL
    fatal = "FATAL:" in message
    if _OUTAGE.search(message) and (not fatal or "the database system is" in message):
        return OUTAGE
    return REFUSAL
