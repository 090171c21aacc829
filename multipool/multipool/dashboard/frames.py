"""A frame of a stack, ``file.py:12 in function``, the way a person says it."""

from __future__ import annotations

from multipool.dashboard.html import Html, join, tag


def spoken(frame: str) -> str:
    """Return *frame* as ``function() file.py:12``."""
    place, _, function = frame.partition(" in ")
    return f"{function}() {place}" if function else place


def shown(frame: str) -> Html:
    """Return *frame* as markup, the function first, as one looks for it."""
    place, _, function = frame.partition(" in ")
    if not function:
        return tag("span", place, class_="code")
    return join(tag("code", f"{function}()"), " ", tag("span", place, class_="code"))
