"""COPY, to and from files."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from multipool_pg8000.binding import plain
from multipool_pg8000.literals import identifier, quote

if TYPE_CHECKING:
    from multipool_pg8000.connection import Connection
    from multipool_pg8000.results import Result


def statement(
    table: str, direction: str, sep: str, null: str, columns: Iterable[str] | None
) -> str:
    """Return the COPY of *table*, a plain name, in the text format."""
    listed = f" ({', '.join(map(identifier, columns))})" if columns is not None else ""
    return (
        f"COPY {identifier(table)}{listed} {direction}"
        f" WITH (DELIMITER {quote(sep)}, NULL {quote(null)})"
    )


def copy(connection: Connection, text: str, file: Any, size: int) -> Result:
    """Run the COPY in *text* between the server and *file*.

    What the file's ``read`` or ``write`` raises is raised here, after the statement has
    ended; a COPY FROM is undone then.
    """
    return connection.run(
        plain(text, connection.codec),
        source=_source(file, size, connection.codec),
        sink=_sink(file, connection.codec),
    )


def _source(file: Any, size: int, codec: str) -> Callable[[], bytes] | None:
    if not hasattr(file, "read"):
        return None

    def read() -> bytes:
        piece = file.read(size)
        return piece.encode(codec) if isinstance(piece, str) else bytes(piece)

    return read


def _sink(file: Any, codec: str) -> Callable[[bytes], object] | None:
    if not hasattr(file, "write"):
        return None
    if isinstance(file, io.TextIOBase):
        decode = codecs.getincrementaldecoder(codec)().decode
        return lambda piece: file.write(decode(piece))
    return lambda piece: file.write(piece)
