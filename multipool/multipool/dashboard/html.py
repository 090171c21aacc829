"""HTML that cannot be forgotten to be escaped: whatever is not `Html` is text.

Any process may write a row of the fleet, and names its application, pools and threads as it
likes; so there is no other way here to make markup than `tag`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final, TypeAlias

#: Invisible characters, with which one text could pass for another or turn the line around.
_UNSEEN: Final = {
    code: "\N{REPLACEMENT CHARACTER}"
    for first, last in (
        (0x00, 0x08),
        (0x0B, 0x1F),
        (0x7F, 0x9F),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x2069),
        (0xD800, 0xDFFF),
        (0xFEFF, 0xFEFF),
    )
    for code in range(first, last + 1)
}

#: Elements without an end tag.
_VOID: Final = frozenset({"br", "col", "hr", "input", "link", "meta"})


class Html(str):
    """Markup, made by `tag` and `join`."""

    __slots__ = ()


#: What may stand inside an element; None and False are nothing.
Child: TypeAlias = "str | int | bool | Iterable[Child] | None"


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Return the element *name*.

    An attribute that Python cannot spell ends with or contains ``_``: ``class_``,
    ``aria_label``. True is an attribute without a value; None and False leave it out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Return *children* one after the other, escaped unless they are markup already."""
    return Html("".join(map(_child, children)))


def _child(child: Child) -> str:
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return html.escape(child.translate(_UNSEEN), quote=True)
    if child is None or child is False:
        return ""
    if isinstance(child, int):
        return str(child)
    return "".join(map(_child, child))


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_child(str(value))}"'
