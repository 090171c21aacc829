"""The frame of every page: head, style, script, and the policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from multipool.dashboard.html import Child, Html, join, tag

#: Connections in a ring: in the tab, as a data address since nothing else may be asked for.
_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Ccircle cx='8' cy='8' r='6' fill='none' stroke='%232f6fd0' stroke-width='4'"
    " stroke-dasharray='6 3.4'/%3E%3C/svg%3E"
)


@cache
def _file(name: str) -> Html:
    """Return a file of this package, which is ours and so is not escaped."""
    return Html(files("multipool.dashboard").joinpath(name).read_text(encoding="utf-8"))


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def policy() -> str:
    """Return the Content-Security-Policy: our style, our script, our own host, no frames."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(_file('style.css'))}",
            f"script-src {_hash(_file('refresh.js'))}",
            "img-src data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def document(title: str, *body: Child, refreshed: bool = False) -> str:
    """Return a whole page; *refreshed* says whether the script keeps it up to date."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", title),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="robots", content="noindex"),
        tag("link", rel="icon", href=Html(_ICON)),
        tag("style", _file("style.css")),
    )
    script = tag("script", _file("refresh.js")) if refreshed else None
    return "<!doctype html>\n" + tag("html", head, tag("body", body, script), lang="en")


def plain_page(title: str, *content: Child) -> str:
    """Return a page with one thing on it: signing in, a question, an error."""
    return document(
        f"{title} · multipool",
        tag("header", tag("p", brand())),
        tag("main", tag("section", tag("h1", title), content)),
    )


def brand() -> Html:
    """Return the name, with the ring in front of it."""
    ring = tag(
        "svg",
        tag(
            "circle",
            cx=8,
            cy=8,
            r=6,
            fill="none",
            stroke="currentColor",
            stroke_width=4,
            stroke_dasharray="6 3.4",
        ),
        class_="ring",
        viewBox="0 0 16 16",
        aria_hidden="true",
    )
    return join(ring, "multipool")
