"""Ending a session, or cancelling its query: the links, and the question before it is done.

Off unless asked for, and never by a link alone: the links lead to a question, and its form is
sent by POST. The pid and the time at which the session began name it; the server looks at
both again, since a pid is soon somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from multipool.dashboard.html import Html, join, tag
from multipool.dashboard.words import duration
from multipool.fleet.ending import Action
from multipool.fleet.snapshot import Backend, Snapshot


@dataclass(frozen=True, slots=True)
class _Words:
    """What is on the button, what the question is, and what will come of it."""

    label: str
    title: str
    consequence: str


_WORDS: Final[dict[Action, _Words]] = {
    "cancel": _Words(
        "Cancel query",
        "Cancel this query?",
        "The statement that runs now fails in its application; the session and its connection"
        " stay. A session that is idle, in a transaction too, does not notice.",
    ),
    "terminate": _Words(
        "End session",
        "End this session?",
        "Its transaction is rolled back, its locks are freed, and its application finds the"
        " connection broken; the pool replaces it.",
    ),
}


#: A moment, as the server writes it.
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d){0,2}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done to which session."""

    pid: int
    started: str
    how: Action

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Wish | None:
        """Return what a query string or form says; None if that is none of ours."""
        pid, started, how = fields.get("pid", ""), fields.get("started", ""), fields.get("how")
        # Nine digits fit the server's integer.
        if not (pid.isascii() and pid.isdigit() and len(pid) <= 9 and _TIME.fullmatch(started)):
            return None
        return cls(int(pid), started, known) if (known := _action(how)) else None

    def find(self, snapshot: Snapshot) -> Backend | None:
        """Return the session; None if it is over."""
        mine = (self.pid, self.started)
        return next((one for one in snapshot.backends if (one.pid, one.started) == mine), None)


def _action(given: str | None) -> Action | None:
    for action in _WORDS:
        if action == given:
            return action
    return None


@dataclass(frozen=True, slots=True)
class Offer:
    """What the page offers its reader to do to a session."""

    made: bool

    def links(self, backend: Backend | None) -> Html | None:
        """Return the links to the questions, if the offer is made and the session is known."""
        if backend is None or not self.made:
            return None
        return tag("span", [_link(backend, how) for how in _WORDS], class_="ways")


def _link(backend: Backend, how: Action) -> Html:
    where = urlencode({"how": how, "pid": backend.pid, "started": backend.started})
    label = _WORDS[how].label
    return join(
        tag(
            "a",
            label,
            tag("span", f" of pid {backend.pid}", class_="unseen"),
            href=f"end?{where}",
            class_="button grave" if how == "terminate" else "button",
        ),
        " ",
    )


def question(wish: Wish, backend: Backend, hidden: Iterable[tuple[str, str]]) -> Html:
    """Return the question; *hidden* is what the form brings along against forgery."""
    words = _WORDS[wish.how]
    facts = {
        "Session": f"pid {backend.pid}, since {backend.started}",
        "Application": backend.application or "no name",
        "As": f"{backend.user}@{backend.database} from {backend.client or 'this host'}",
        "State": backend.state or "not known",
        "In this state for": duration(backend.state_age),
        "In a transaction for": duration(backend.transaction_age)
        if backend.transaction_age is not None
        else "not in one",
    }
    fields = [
        ("pid", str(wish.pid)),
        ("started", wish.started),
        ("how", wish.how),
        *hidden,
    ]
    return join(
        tag("dl", [join(tag("dt", name), tag("dd", fact)) for name, fact in facts.items()]),
        tag("p", words.consequence),
        tag(
            "form",
            [tag("input", type="hidden", name=name, value=value) for name, value in fields],
            tag(
                "p",
                tag("button", words.label, type="submit", class_="grave"),
                " ",
                tag("a", "No, go back", href="./", class_="button"),
            ),
            method="post",
            action="end",
            class_="end",
        ),
    )


def title(wish: Wish) -> str:
    """Return the question in a few words."""
    return _WORDS[wish.how].title
