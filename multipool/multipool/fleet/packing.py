"""The details of a process on their way through the database: packed, so that no server reads them.

As JSON of the server's own they cost it five times as much: to read, to compress, and to write
out again for whoever looks.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from typing import Any, Final, NoReturn

from multipool.fleet.wire import UNFIT, as_json

#: Bytes that details may come to: what claims to be more is none of ours.
MOST: Final = 4_000_000

#: The quickest: the process that beats has better things to do.
_LEVEL: Final = 1


def pack(details: dict[str, Any]) -> str:
    """Return *details* as text that is fit for the database."""
    return b64encode(zlib.compress(as_json(details).encode("ascii"), _LEVEL)).decode("ascii")


def unpack(packed: object) -> Any:
    """Return the details in *packed*; None if there are none, or they make no sense."""
    if not isinstance(packed, str):
        return None
    try:
        reading = zlib.decompressobj()
        text = reading.decompress(b64decode(packed, validate=True), MOST)
        if not reading.eof:
            return None
        read = text.decode("utf-8", "replace")
        if "\\u" in read:
            read = UNFIT.sub(r"\\ufffd", read)
        return json.loads(read, parse_constant=_refuse)
    except (ValueError, zlib.error, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
