"""Which of the server's sessions serves which connection of a process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from multipool.fleet.values import integer, number
from multipool.target import TAG

#: Seconds by which a session may have begun after its connection was open, since the two ends
#: measure by different clocks; and before it, since connecting and configuring take time.
_AFTER: Final = 2.0
_BEFORE: Final = 60.0

_STAKE: Final = re.compile(r"(?:^| )(mb:[0-9a-f]{8})(?: |$)")
_MARK: Final = re.compile(rf"(?:^| )({TAG}[0-9a-f]{{8}})$")


def mark_in(application_name: object) -> str | None:
    """Return the mark at the end of an application's name, see `Target.tagged`."""
    found = _MARK.search(str(application_name or ""))
    return found[1] if found else None


def stake_in(application_name: str) -> str | None:
    """Return the mark of a share of a budget in an application's name."""
    found = _STAKE.search(application_name)
    return found[1] if found else None


class Sessions:
    """The rows of ``pg_stat_activity``, and who was found to be at their other end."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._by_pid = {row["pid"]: row for row in rows}
        self._by_mark = {
            mark: row for row in self._by_pid.values() if (mark := mark_in(row["application"]))
        }
        #: By pid: the process and its pool.
        self.owners: dict[int, tuple[str, str]] = {}

    def serving(self, process: Mapping[str, Any], pool: str, told: Mapping[str, Any]) -> int | None:
        """Return the pid of the session that serves the connection that *told* describes.

        A pid may be another's by now, so the session's beginning must fit the connection's. Behind
        a pooler the pid is made up, and the mark in the application's name tells.
        """
        found = self._by_mark.get(mark_in(told.get("tag")) or "")
        if found is None and not process["pooler"]:
            found = self._by_pid.get(integer(told.get("backend")))
            if found is not None and not _fits(process, told, found):
                found = None
        if found is None:
            return None
        pid: int = found["pid"]
        self.owners[pid] = process["id"], pool
        return pid


def _fits(process: Mapping[str, Any], told: Mapping[str, Any], session: Mapping[str, Any]) -> bool:
    age: float | None = session["age"]
    if age is None:  # this role may not see it
        return True
    opened: float = number(told.get("open_for")) + process["age"]
    return -_AFTER <= age - opened <= _BEFORE
