"""The frontend messages of PostgreSQL's protocol 3.0, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import Final

SYNC: Final = b"S\0\0\0\x04"
TERMINATE: Final = b"X\0\0\0\x04"
COPY_DONE: Final = b"c\0\0\0\x04"
# Describe the unnamed portal, run it to its end, and sync.
_RUN: Final = b"D\0\0\0\x06P\0" + b"E\0\0\0\x09\0\0\0\0\0" + SYNC


def query(statement: bytes) -> bytes:
    """Return a Query: the simple protocol, any number of statements, no parameters."""
    return b"Q" + pack("!i", len(statement) + 5) + statement + b"\0"


def extended(statement: bytes, oids: Sequence[int], values: Sequence[bytes]) -> bytes:
    """Return Parse, Bind, Describe, Execute and Sync of the unnamed statement.

    All values and results are in text format; *oids* and *values* are of the same length,
    at most 65535. NULL is not among the values: it stands in the text.
    """
    count = len(oids)
    parse = b"\0" + statement + b"\0" + pack(f"!H{count}I", count, *oids)
    bound = [b"\0\0\0\0", pack("!H", count)]
    for value in values:
        bound.append(pack("!i", len(value)))
        bound.append(value)
    bound.append(b"\0\0")
    bind = b"".join(bound)
    return b"".join(
        (
            b"P",
            pack("!i", len(parse) + 4),
            parse,
            b"B",
            pack("!i", len(bind) + 4),
            bind,
            _RUN,
        )
    )


def copy_data(data: bytes) -> bytes:
    """Return a CopyData."""
    return b"d" + pack("!i", len(data) + 4) + data


def copy_fail(reason: str) -> bytes:
    """Return a CopyFail, which makes the server end a COPY FROM with an error."""
    body = reason.encode() + b"\0"
    return b"f" + pack("!i", len(body) + 4) + body


def cancel_request(pid: int, secret: bytes) -> bytes:
    """Return a CancelRequest, to be sent as the first thing on a connection of its own."""
    return pack("!iii", 12 + len(secret), 80877102, pid) + secret


#: Asks the server, before anything else, whether it speaks TLS.
SSL_REQUEST: Final = pack("!ii", 8, 80877103)
