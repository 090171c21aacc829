"""What goes to the server: JSON that PostgreSQL takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

#: What JSON may have and PostgreSQL's may not: NUL, and one half of a surrogate pair, which
#: stands in Python for a byte of a file's name that is no text.
UNFIT: Final = re.compile(
    r"\\u0000"
    r"|\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})"
    r"|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}",
    re.IGNORECASE,
)


def as_json(told: Mapping[str, Any]) -> str:
    """Return *told* with a mark in place of what the server would refuse."""
    return UNFIT.sub(r"\\ufffd", json.dumps(told))
