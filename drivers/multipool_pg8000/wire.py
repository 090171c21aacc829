"""Statements out, answers in: the flow of messages on an open connection.

One method, `Wire.exchange`, sends bytes and reads until the server is ready again. Its
promise: whatever happens while an answer is read, the next statement never sees this
one's rows. An error of the server leaves the connection in step; anything else, a
KeyboardInterrupt among it, closes the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from threading import Lock, get_ident
from typing import Any, Final, NamedTuple

from multipool.driver import ACTIVE, IDLE, INERROR, INTRANS
from multipool.session import carries_begin
from multipool_pg8000 import diagnostics, errors, messages
from multipool_pg8000.closing import Closing
from multipool_pg8000.encodings import codec_of
from multipool_pg8000.internals import core
from multipool_pg8000.results import (
    BOUND,
    FindLoaders,
    RawLoader,
    Result,
    Shape,
    parse_columns,
    take_rows,
    take_whole,
)
from multipool_pg8000.transport import CHUNK, Stream

_STATES: Final = {ord("I"): IDLE, ord("T"): INTRANS, ord("E"): INERROR}

_SIZE: Final = Struct("!i").unpack_from

# How the answer to an extended statement begins: ParseComplete and BindComplete say nothing.
_PARSED_AND_BOUND: Final = b"1\0\0\0\x04" + BOUND

# psycopg2 keeps as many.
_NOTICES_KEPT: Final = 50

(_READY, _ROWS, _ROW, _COMPLETE, _EMPTY, _ERROR) = b"ZTDCIE"
(_COPY_IN, _COPY_OUT, _COPY_BOTH, _COPY_DATA) = b"GHWd"
(_NOTICE, _NOTIFICATION, _PARAMETER) = b"NAS"
_QUERY: Final = ord("Q")


class Notify(NamedTuple):
    """What a NOTIFY brought."""

    pid: int
    channel: str
    payload: str


class Wire(Closing):
    """A connection on which statements are run."""

    #: What the server sent unasked, oldest first; psycopg2's names.
    notices: Any
    notifies: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lock = Lock()
        #: Whether the connection was lost, or given up in the middle of an answer.
        self.broken = False
        #: How many transactions have ended; what belonged to an earlier one is gone.
        self.ended = 0
        self.notifies = []
        super().__init__(*args, **kwargs)
        self.notices = list(self.notices)
        self.state = IDLE

    # -- one exchange -----------------------------------------------------------------

    def exchange(
        self,
        message: bytes,
        *,
        begin: bytes = b"",
        statements: Sequence[str | None] = (None,),
        done: Callable[[Result], object] | None = None,
        find_loaders: FindLoaders | None = None,
        shape: Shape | None = None,
        source: Callable[[], bytes] | None = None,
        sink: Callable[[bytes], object] | None = None,
    ) -> Result:
        """Send *message* and return its last statement's result.

        Args:
            message: frontend messages.
            begin: what begins a transaction, if none is open: sent ahead of it in the same
                write, or else before it. If that fails, nothing is executed.
            statements: the texts in *message*, to show the line of an error; there are as
                many as the ReadyForQuery messages that answer it.
            done: is given the result of each of them.
            find_loaders: gives the columns' loaders; None drops the rows.
            shape: that of the result, of one statement that does not ask for it.
            source: gives the next piece for COPY FROM STDIN, empty at the end.
            sink: takes each piece of COPY TO STDOUT.

        Raises the server's error; `OperationalError` when the connection is lost, and
        `InterfaceError` when it is closed already.
        """
        thread = get_ident()
        if self._owner == thread:
            raise errors.ProgrammingError(
                "the connection is in the middle of another statement of this thread"
            )
        with self._lock:
            self._owner = thread
            try:
                # Kept apart: whoever closes the connection meanwhile takes it from there.
                stream: Stream | None = self._sock
                if stream is None:
                    raise errors.InterfaceError("connection already closed")
                begins = begin != b"" and self.state == IDLE
                reader = None
                try:
                    self.state = ACTIVE
                    if begins and not _may_follow(message, statements):
                        begins = False
                        reader = self._begin_apart(stream, begin)
                    if reader is None or reader.error is None:
                        self.state = ACTIVE
                        simple = begins and message[0] == _QUERY
                        if begins:
                            # A Query has no Sync, up to which the server skips what follows.
                            message = begin + message + (messages.SYNC if simple else b"")
                        self._send(stream, message)
                        if shape is not None and not begins and len(statements) == 1:
                            result = self._read_whole(stream, shape)
                            if result is not None:
                                return result
                        reader = _Reader(
                            self, stream, statements, done, find_loaders, shape, source, sink
                        )
                        reader.read(begins=begins, synced_again=simple)
                except OSError as error:
                    self._give_up()
                    raise _lost(reader, error) from error
                except BaseException:
                    self._give_up()
                    raise
                return reader.outcome()
            finally:
                self._owner = 0
                if self._sock is None:
                    self._hang_up_at_last()

    def _begin_apart(self, stream: Stream, begin: bytes) -> _Reader:
        """Begin a transaction in a round trip of its own; return who read the answer."""
        self._send(stream, begin + messages.SYNC)
        reader = _Reader(self, stream)
        reader.read()
        return reader

    def _send(self, stream: Stream, message: bytes) -> None:
        try:  # noqa: SIM105  # this path is hot, and suppress() costs ten times as much
            stream.send(message)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what the server said last, before it hung up, may still be there to be read

    def _read_whole(self, stream: Stream, shape: Shape) -> Result | None:
        """Read an answer that is no more than its *shape* says; else None, and nothing is read.

        What comes to a few bytes that are there at once is not worth a `_Reader`.
        """
        stream.need(5)
        found = take_whole(stream.data, stream.at, shape)
        if found is None:
            return None
        stream.at = len(stream.data)
        result, state = found
        self.state = _STATES[state]
        self.ended += self.state == IDLE
        return result

    def drain(self) -> bool:
        """Take in what the server sent unasked, without waiting; return whether it is alive.

        Called while no statement runs. A connection found dead is closed.
        """
        with self._lock:
            self._owner = get_ident()
            try:
                stream = self._sock
                if stream is None:
                    return False
                try:
                    alive: bool = stream.take_arrived()
                    _Reader(self, stream).take_unasked()
                except OSError:
                    alive = False
                if not alive:
                    self._give_up()
                return alive
            finally:
                self._owner = 0
                if self._sock is None:
                    self._hang_up_at_last()

    def _give_up(self) -> None:
        self.broken = True
        self.hang_up()

    # -- what pg8000 calls during start-up, and the reader always ----------------------------

    def handle_ERROR_RESPONSE(  # noqa: N802  # pg8000's name
        self, data: bytes, context: core.Context
    ) -> None:
        """Raise the server's refusal at once.

        pg8000 would keep it in a local variable of the frame that raises it, a cycle.
        """
        raise _refusal(diagnostics.parse(data, self._client_encoding))

    def handle_NOTICE_RESPONSE(  # noqa: N802  # pg8000's name
        self, data: bytes, context: core.Context | None
    ) -> None:
        """Keep the notice, as text."""
        diag = diagnostics.Diagnostics(diagnostics.parse(data, self._client_encoding))
        self.notices.append(f"{diag.severity}:  {diag.message().rstrip()}\n")
        if isinstance(self.notices, list):
            del self.notices[:-_NOTICES_KEPT]

    def handle_NOTIFICATION_RESPONSE(  # noqa: N802  # pg8000's name
        self, data: bytes, context: core.Context | None
    ) -> None:
        """Keep the notification."""
        channel, payload, _ = str(data[4:], self._client_encoding).split("\0")
        self.notifies.append(Notify(int.from_bytes(data[:4], "big"), channel, payload))

    def handle_PARAMETER_STATUS(  # noqa: N802  # pg8000's name
        self, data: bytes, context: core.Context | None
    ) -> None:
        """Remember a setting; follow ``client_encoding``."""
        name, value, _ = str(data, self._client_encoding).split("\0")
        self.parameter_statuses[name] = value
        if name == "client_encoding":
            self._client_encoding = codec_of(value) or "ascii"


def _may_follow(message: bytes, statements: Sequence[str | None]) -> bool:
    """Return whether *message* may be sent in one write with what begins its transaction.

    Of several statements only the first would be skipped if that failed; and a COPY, which may
    be anywhere in a text that is more than it seems, has the server pass over a Sync.
    """
    first, *others = statements
    return not others and (message[0] != _QUERY or (first is not None and carries_begin(first)))


class _Reader:
    """Reads the answer to one message."""

    def __init__(
        self,
        wire: Wire,
        stream: Stream,
        statements: Sequence[str | None] = (None,),
        done: Callable[[Result], object] | None = None,
        find_loaders: FindLoaders | None = None,
        shape: Shape | None = None,
        source: Callable[[], bytes] | None = None,
        sink: Callable[[bytes], object] | None = None,
    ) -> None:
        self.wire = wire
        self.stream = stream
        self.statements = statements
        self.done = done
        self.find_loaders = find_loaders
        self.shape = shape
        self.source = source
        self.sink = sink
        self.result: Result | None = None
        #: Which of the statements is being answered, and whether the BEGIN ahead of them still is.
        self.number = 0
        self.begins = False
        #: The first error the server sent.
        self.error: errors.DatabaseError | None = None
        #: What went wrong on our side of a COPY.
        self.copy_failure: Exception | None = None

    def outcome(self) -> Result:
        """Return the last result, or raise what went wrong."""
        failure = self.copy_failure or self.error
        self.copy_failure = self.error = None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # else it and this frame would keep each other alive
        return self.result or Result()

    def read(self, *, begins: bool = False, synced_again: bool = False) -> None:
        """Read until the server was ready for each of the statements.

        *begins*: a BEGIN went ahead. *synced_again*: and another Sync came after the statement,
        which had its own.
        """
        stream = self.stream
        self.begins = begins
        answers = len(self.statements) + synced_again
        current, loaders = self._expected()
        stream.need(5)
        if stream.data.startswith(_PARSED_AND_BOUND, stream.at):
            stream.at += len(_PARSED_AND_BOUND)
        elif stream.data.startswith(BOUND, stream.at):
            stream.at += len(BOUND)
        while True:
            if loaders is not None:
                try:
                    stream.at = take_rows(stream.data, stream.at, loaders, current.rows.append)
                except Exception as error:
                    # The statement itself went well: the failure waits for the fetch.
                    current.failure, loaders = error, None
            code, body = self._message()
            if code == _ROW:
                if loaders is not None:
                    # It was incomplete, and is whole now: back to the fast loop with it.
                    stream.at -= len(body) + 5
            elif code == _ROWS:
                current.columns = parse_columns(body, self.wire._client_encoding)
                if self.find_loaders is not None:
                    loaders = self.find_loaders(current.columns)
            elif code == _COMPLETE and self.begins:
                self.begins = False  # the statement itself is still under way
            elif code == _COMPLETE:
                current.tag = str(body[:-1], "ascii")
                self.result, current, loaders = current, Result(), None
            elif code == _EMPTY:
                self.result, current = Result(), Result()
            elif code == _ERROR:
                self._take_error(body)
                current, loaders = Result(), None
            elif code == _READY:
                if self.done is not None and self.error is None:
                    self.done(self.result or Result())
                self.number += 1
                if self.number == answers or self.begins:  # that failed: all was skipped
                    self.wire.state = _STATES[body[0]]
                    self.wire.ended += self.wire.state == IDLE
                    return
                current, loaders = self._expected()
            else:
                self._take_other(code, body)

    def _expected(self) -> tuple[Result, Sequence[RawLoader] | None]:
        """Return what the next statement's rows go into, and what loads them if that is known."""
        if self.shape is None:
            return Result(), None
        return Result(self.shape.columns), self.shape.loaders

    def take_unasked(self) -> None:
        """Handle the messages that lie complete in the buffer."""
        stream = self.stream
        while len(stream.data) - stream.at >= 5:
            size = _SIZE(stream.data, stream.at + 1)[0]
            if len(stream.data) - stream.at <= size:
                return
            code, body = self._message()
            if code == _ERROR:
                self._take_error(body)
            else:
                self._take_other(code, body)

    def _message(self) -> tuple[int, bytes]:
        """Return the next message's code and body; the buffer still holds it whole."""
        stream = self.stream
        data, at = stream.data, stream.at
        if len(data) < at + 5:
            stream.need(5)
            data, at = stream.data, stream.at
        end = at + 1 + _SIZE(data, at + 1)[0]
        if len(data) < end:
            stream.need(end - at)
            data, at, end = stream.data, stream.at, stream.at + end - at
        stream.at = end
        return data[at], data[at + 5 : end]

    def _take_error(self, body: bytes) -> None:
        if self.error is None:
            known = not self.begins and self.number < len(self.statements)
            statement = self.statements[self.number] if known else None
            fields = diagnostics.parse(body, self.wire._client_encoding)
            self.error = errors.from_server(fields, statement)

    def _take_other(self, code: int, body: bytes) -> None:
        if code == _NOTICE:
            self.wire.handle_NOTICE_RESPONSE(body, None)
        elif code == _NOTIFICATION:
            self.wire.handle_NOTIFICATION_RESPONSE(body, None)
        elif code == _PARAMETER:
            self.wire.handle_PARAMETER_STATUS(body, None)
        elif code == _COPY_DATA:
            self._take_copied(body)
        elif code == _COPY_IN:
            self._copy_in()
        elif code == _COPY_OUT and self.sink is None:
            self.copy_failure = _no_copy("TO STDOUT")
        elif code == _COPY_BOTH:
            raise errors.NotSupportedError("streaming replication is not supported")

    def _copy_in(self) -> None:
        if self.source is None:
            self.copy_failure = _no_copy("FROM STDIN")
            self._send_copied(messages.copy_fail("no data was given"))
            return
        while True:
            try:
                piece = self.source()
            except Exception as error:
                self.copy_failure = error
                reason = f"reading the data failed: {type(error).__name__}"
                self._send_copied(messages.copy_fail(reason))
                return
            if not piece:
                self._send_copied(messages.COPY_DONE)
                return
            for start in range(0, len(piece), CHUNK):
                if not self._send_copied(messages.copy_data(piece[start : start + CHUNK])):
                    return

    def _send_copied(self, message: bytes) -> bool:
        """Send *message* and handle what comes meanwhile; return whether the server wants more.

        Its error, and whatever follows, is left to be read.
        """
        stream = self.stream
        try:
            if not stream.send_and_take(message):
                return False
        except (BrokenPipeError, ConnectionResetError):
            return False  # what the server said last may still be there to be read
        while len(stream.data) - stream.at >= 5:
            size = _SIZE(stream.data, stream.at + 1)[0]
            if len(stream.data) - stream.at <= size:
                break
            if stream.data[stream.at] not in (_NOTICE, _NOTIFICATION, _PARAMETER):
                return False
            self._take_other(*self._message())
        return True

    def _take_copied(self, piece: bytes) -> None:
        if self.sink is not None and self.copy_failure is None:
            try:
                self.sink(piece)
            except Exception as error:
                self.copy_failure = error


def _lost(reader: _Reader | None, cause: OSError) -> errors.DatabaseError:
    """Return the server's last words, or the error of a connection lost without any."""
    last = None
    if reader is not None:
        last, reader.error = reader.error, None
    return last or errors.OperationalError(f"connection lost: {cause}")


def _refusal(fields: dict[str, str]) -> errors.OperationalError:
    """Return the error of a connection that the server refuses.

    It is an OperationalError whatever the reason, as with libpq, and has its SQLSTATE.
    """
    error = errors.from_server(fields)
    if isinstance(error, errors.OperationalError):
        return error
    refusal = errors.OperationalError(str(error))
    refusal.sqlstate, refusal.pgerror, refusal._diag = error.sqlstate, error.pgerror, error._diag
    return refusal


def _no_copy(direction: str) -> errors.ProgrammingError:
    return errors.ProgrammingError(
        f"COPY {direction} needs a file: use copy_expert(), copy_from() or copy_to()"
    )
