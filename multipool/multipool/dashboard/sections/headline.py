"""The verdict, as the first thing that is read."""

from __future__ import annotations

from typing import Final

from multipool.dashboard.html import Html, join, tag
from multipool.dashboard.verdict import Finding, Verdict
from multipool.dashboard.words import count

_SHOWN: Final = 6


def draw(verdict: Verdict) -> Html:
    """Return the box, and beside it what a screen reader is told when that changes."""
    left = len(verdict.findings) - _SHOWN
    box = tag(
        "div",
        tag("h2", verdict.name),
        tag(
            "ul",
            map(_sentence, verdict.findings[:_SHOWN]),
            left > 0 and tag("li", f"and {count(left, 'more finding')}", class_="small"),
        ),
        id="verdict",
        class_=verdict.level,
        tabindex=-1,
        data_part=True,
    )
    # Without the figures, which change with each refresh and would be read out each time.
    subjects = ", ".join(dict.fromkeys(finding.subject for finding in verdict.findings))
    said = f"{verdict.name}: {subjects}"
    return join(box, tag("p", said, id="said", class_="unseen", role="status", data_part=True))


def _sentence(finding: Finding) -> Html:
    return tag(
        "li",
        f"{finding.subject}: ",
        finding.seen,
        finding.cause and tag("span", f"; {finding.cause}", class_="then"),
    )
