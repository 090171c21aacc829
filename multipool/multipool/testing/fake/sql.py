"""The few statements the fake server knows; what it does not know is a syntax error.

``select %s, ...`` gives the parameters back, ``select 1/0`` fails; beside them: BEGIN,
COMMIT, ROLLBACK, SET, SHOW, RESET ALL, DISCARD ALL, LISTEN, NOTIFY, ``pg_backend_pid()``,
``pg_sleep(seconds)`` and ``pg_terminate_backend(pid)``. `FakeServer.answers` adds others.
Settings are not undone by a rollback.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from multipool.driver import IDLE, INTRANS
from multipool.testing.fake.errors import DatabaseError, OperationalError, ProgrammingError
from multipool.testing.fake.server import DEFAULTS, Backend, FakeServer

Rows = Sequence[tuple[Any, ...]]
_Statement = Callable[[FakeServer, Backend, "re.Match[str]"], Rows | None]


def run(server: FakeServer, backend: Backend, sql: str, parameters: Sequence[Any]) -> Rows | None:
    """Run one statement and return its rows, or None if it has no result.

    Raises the fake driver's errors.
    """
    text = sql.strip().rstrip(";")
    if text in server.answers:
        return server.answers[text]
    if re.fullmatch(r"select %s(\s*,\s*%s)*", text, re.IGNORECASE):
        return [tuple(parameters)]
    for pattern, statement in _STATEMENTS:
        match = pattern.fullmatch(text)
        if match:
            return statement(server, backend, match)
    raise ProgrammingError("the fake server does not know this statement", "42601")


def changes_session(sql: str) -> bool:
    """Return whether a statement changes what outlives its transaction."""
    return re.match(r"\s*(set|reset|listen|discard)\b", sql, re.IGNORECASE) is not None


def _divide(server: FakeServer, backend: Backend, match: re.Match[str]) -> Rows:
    raise DatabaseError("division by zero", "22012")


def _number(server: FakeServer, backend: Backend, match: re.Match[str]) -> Rows:
    return [(int(match[1]),)]


def _pid(server: FakeServer, backend: Backend, match: re.Match[str]) -> Rows:
    return [(backend.pid,)]


def _sleep(server: FakeServer, backend: Backend, match: re.Match[str]) -> Rows:
    if backend.interrupt.wait(float(match[1])) and backend.alive:
        raise OperationalError("canceling statement due to user request", "57014")
    return [("",)]


def _terminate(server: FakeServer, backend: Backend, match: re.Match[str]) -> Rows:
    found = int(match[1]) in server.pids
    if found:
        server.kill(int(match[1]))
    return [(found,)]


def _begin(server: FakeServer, backend: Backend, match: re.Match[str]) -> None:
    backend.transaction = INTRANS


def _end(server: FakeServer, backend: Backend, match: re.Match[str]) -> None:
    backend.transaction = IDLE


def _set(server: FakeServer, backend: Backend, match: re.Match[str]) -> None:
    backend.settings[_name(backend, match[1])] = match[2].replace("''", "'")


def _show(server: FakeServer, backend: Backend, match: re.Match[str]) -> Rows:
    name = _name(backend, match[1])
    if name not in backend.settings:
        raise ProgrammingError(f"unrecognized configuration parameter {name!r}", "42704")
    return [(backend.settings[name],)]


def _reset(server: FakeServer, backend: Backend, match: re.Match[str]) -> None:
    kept = backend.settings["application_name"]
    backend.settings = DEFAULTS | {"application_name": kept}


def _discard(server: FakeServer, backend: Backend, match: re.Match[str]) -> None:
    _reset(server, backend, match)
    backend.channels.clear()


def _listen(server: FakeServer, backend: Backend, match: re.Match[str]) -> None:
    backend.channels.add(match[1])


def _notify(server: FakeServer, backend: Backend, match: re.Match[str]) -> None:
    server.notify(match[1], match[2] or "")


def _name(backend: Backend, name: str) -> str:
    """Return the spelling under which a setting is kept: its case does not matter."""
    return next((known for known in backend.settings if known.lower() == name.lower()), name)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


_STATEMENTS: Final[list[tuple[re.Pattern[str], _Statement]]] = [
    (_compiled(r"select 1/0"), _divide),
    (_compiled(r"select (\d+)"), _number),
    (_compiled(r"select pg_backend_pid\(\)"), _pid),
    (_compiled(r"select pg_sleep\(([\d.]+)\)"), _sleep),
    (_compiled(r"select pg_terminate_backend\((\d+)\)"), _terminate),
    (_compiled(r"begin"), _begin),
    (_compiled(r"commit|rollback"), _end),
    (_compiled(r"set (?:session )?([\w.]+) (?:to|=) '((?:[^']|'')*)'"), _set),
    (_compiled(r"set (?:session )?([\w.]+) (?:to|=) ([\w.]+)"), _set),
    (_compiled(r"show ([\w.]+)"), _show),
    (_compiled(r"reset all"), _reset),
    (_compiled(r"discard all"), _discard),
    (_compiled(r"listen (\w+)"), _listen),
    (_compiled(r"notify (\w+)(?:, '([^']*)')?"), _notify),
]
