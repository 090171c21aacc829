"""What the dashboard is given to show in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from multipool.dashboard.ending import Wish
from multipool.dashboard.history import History
from multipool.dashboard.http import Request
from multipool.dashboard.latest import Seen
from multipool.fleet.snapshot import Snapshot

#: Breaks out of an attribute, an element, a script, and runs by itself.
PAYLOAD = """'"></script></svg><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"""


@dataclass
class Made:
    """A source that shows what a function returns, and notes whom it should have ended."""

    show: Callable[[], Snapshot]
    ended: list[tuple[Wish, str]] = field(default_factory=list)
    asked_for_raw: list[bool] = field(default_factory=list)

    def read(self, *, raw_sql: bool) -> Snapshot:
        self.asked_for_raw.append(raw_sql)
        return self.show()

    def end(self, wish: Wish, by: str) -> bool:
        self.ended.append((wish, by))
        return wish.find(self.show()) is not None


def seen(snapshot: Snapshot | None, error: str | None = None) -> Seen:
    """Return *snapshot* as a page shows it that was just read."""
    return Seen(snapshot, 0.4, error, History())


def hostile(snapshot: Snapshot) -> Snapshot:
    """Return *snapshot* with markup wherever a process may write what it likes."""
    return _hostile(snapshot)


_TEXTS = {
    "app",
    "application",
    "client",
    "database",
    "doing",
    "driver",
    "host",
    "name",
    "checked_out_at",
    "query_at",
    "route",
    "site",
    "stack",
    "state",
    "statement",
    "thread",
    "user",
    "wait_event",
}


def _hostile(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_hostile, value))
    if not hasattr(value, "__dataclass_fields__"):
        return value
    changes: dict[str, Any] = {}
    for name in value.__dataclass_fields__:
        old = getattr(value, name)
        if name in _TEXTS and old in ("alive", "stale", "gone"):
            continue
        if name in _TEXTS and isinstance(old, str):
            changes[name] = old + PAYLOAD
        elif name in _TEXTS and isinstance(old, tuple):
            changes[name] = tuple(f"{frame}{PAYLOAD}" for frame in old)
        else:
            changes[name] = _hostile(old)
    return replace(value, **changes)


def request(path: str = "/", method: str = "GET", **changes: Any) -> Request:
    """Return a request from this machine, as a browser sends it."""
    headers = {"host": "127.0.0.1:8932", **changes.pop("headers", {})}
    values: dict[str, Any] = {
        "root": "",
        "scheme": "http",
        "peer": "127.0.0.1",
        "query": {},
        **changes,
    }
    return Request(method=method, path=path, headers=headers, **values)
