"""The frontend messages of PostgreSQL's protocol 3.0, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct, pack
from typing import Final

from multipool_pg8000.values import Typed

SYNC: Final = b"S\0\0\0\x04"
TERMINATE: Final = b"X\0\0\0\x04"
COPY_DONE: Final = b"c\0\0\0\x04"
# What a Bind ends in, for all results in text; then run the unnamed portal to its end, and sync;
# the same with a description of its rows before.
_END: Final = b"\0\0"
_EXECUTE: Final = b"E\0\0\0\x09\0\0\0\0\0"
_RUN: Final = _EXECUTE + SYNC
_END_AND_RUN: Final = _END + _RUN
_END_DESCRIBE_AND_RUN: Final = _END + b"D\0\0\0\x06P\0" + _RUN

_NUMBER: Final = Struct("!i").pack

# Longer statements are not kept, in characters.
_LONGEST_KEPT: Final = 10_000


def query(statement: bytes) -> bytes:
    """Return a Query: the simple protocol, any number of statements, no parameters."""
    return b"Q" + pack("!i", len(statement) + 5) + statement + b"\0"


def extended(statement: str, values: Sequence[Typed], encoding: str) -> bytes:
    """Return Parse, Bind, Describe, Execute and Sync of the unnamed statement.

    All values and results are in text format, at most 65535 of them. NULL is not among the
    values: it stands in the text.
    """
    oids = tuple([value.oid for value in values])
    short = len(statement) <= _LONGEST_KEPT
    make = _parse if short else parse
    return make(statement, oids, encoding) + execute(head(b"", len(values)), values, encoding)


def ahead(statement: str) -> bytes:
    """Return Parse, Bind and Execute of what comes ahead of another statement, without a Sync.

    If it fails the server skips all that comes until the next Sync, a Query too.
    """
    bind = b"B" + pack("!i", 12) + b"\0\0\0\0\0\0\0\0"
    return parse(statement, (), "ascii") + bind + _EXECUTE


def head(name: bytes, count: int) -> bytes:
    """Return how what binds *count* values to the statement *name* begins, for `execute`."""
    return b"\0" + name + b"\0\0\0" + pack("!H", count)


def execute(head: bytes, values: Sequence[Typed], encoding: str, *, describe: bool = True) -> bytes:
    """Return Bind, Describe, Execute and Sync of a statement that is parsed already.

    Without *describe* no description of the rows comes before them.
    """
    pieces = [b"B", b"", head]
    size = 4 + len(head) + len(_END)
    for value in values:
        text = value.text.encode(encoding)
        length = len(text)
        size += 4 + length
        pieces.append(_NUMBER(length))
        pieces.append(text)
    pieces[1] = _NUMBER(size)
    pieces.append(_END_DESCRIBE_AND_RUN if describe else _END_AND_RUN)
    return b"".join(pieces)


def parse(statement: str, oids: tuple[int, ...], encoding: str, name: bytes = b"") -> bytes:
    """Return a Parse of *statement* with parameters of these types."""
    count = len(oids)
    body = name + b"\0" + statement.encode(encoding) + b"\0" + pack(f"!H{count}I", count, *oids)
    return b"P" + pack("!i", len(body) + 4) + body


# A program has few statements, but for the long ones, which are mostly data.
_parse = lru_cache(maxsize=1024)(parse)


def close_statement(name: bytes) -> bytes:
    """Return a Close of a named statement; one that is not there is no error."""
    return b"C" + pack("!i", len(name) + 6) + b"S" + name + b"\0"


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
