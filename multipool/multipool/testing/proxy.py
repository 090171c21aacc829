"""A TCP proxy in front of a server: it counts round trips, adds delay, and can be broken.

::

    with Proxy(server.params, delay=0.005) as proxy:
        pool = Pool(proxy.params)
        ...
        assert proxy.round_trips == 3
        proxy.cut("reset")

One thread serves all connections. The idea of a proxy that tests break on purpose is
psycopg's (``tests/fix_proxy.py``).
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Literal, Self

from multipool.testing.server import LOOPBACK, uri

_CHUNK: Final = 1 << 16
_RETRY: Final = 0.001  # seconds, after the receiver took no more
_RESET: Final = struct.pack("ii", 1, 0)  # for SO_LINGER: close() sends RST at once


class Proxy:
    """A proxy for the server that *params* name; TCP or a unix socket.

    Args:
        params: libpq's parameters, with one host and one port.
        delay: Seconds that whatever is sent takes, in each direction. It may be changed
            later. The TCP handshake itself is not delayed.

    The counts begin with the proxy's start and include the handshakes of PostgreSQL. Raises
    `ValueError` for parameters without a host and a port, or with several.
    """

    def __init__(self, params: Mapping[str, Any], delay: float = 0.0) -> None:
        for name in ("host", "port"):
            if params.get(name) in (None, "") or "," in str(params[name]):
                raise ValueError(f"a proxy's params must name one {name}, which it is to go to")
        self.delay = delay
        #: How many connections were accepted.
        self.connections = 0
        #: How often a client sent something and had been sent something, or nothing, before.
        self.round_trips = 0
        self._origin = dict(params)
        self._listener: socket.socket | None = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[_Pair] = set()
        self._silent = False
        self._closed = False
        self._orders: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._bell, self._rope = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="multipool-proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what a test asks --------------------------------------------------------

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by which a client comes through here."""
        return {**self._origin, "host": LOOPBACK, "port": str(self.port)}

    @property
    def dsn(self) -> str:
        """The libpq URI by which a client comes through here."""
        return uri(self.params)

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return len(self._pairs)

    # -- what a test orders; done when the call returns --------------------------

    def cut(self, how: Literal["fin", "reset"] = "fin") -> None:
        """Cut all connections, by an orderly end or by a reset. New ones are welcome."""
        self._order(lambda: self._cut(reset=how == "reset"))

    def silence(self) -> None:
        """Hold back whatever is sent, and new connections too, until `resume`.

        Nobody is told: so a peer looks whose machine has lost its power.
        """
        self._order(self._fall_silent)

    def refuse(self) -> None:
        """Refuse new connections until `resume`; those that are open go on."""
        self._order(self._stop_listening)

    def resume(self) -> None:
        """End `silence` and `refuse`: what was held back is delivered."""
        self._order(self._resume)

    def close(self) -> None:
        """Cut all connections and stop; a second time is fine."""
        if not self._closed:
            with suppress(_Over):  # it failed just now
                self._order(self._shut)
        self._thread.join()
        self._rope.close()

    def _order(self, function: Callable[[], None]) -> None:
        if self._closed:
            raise _Over("the proxy is closed")
        done: Future[None] = Future()
        self._orders.append((function, done))
        with suppress(OSError):  # nobody is there any more
            self._rope.send(b"!")
        if self._closed:
            self._refuse_orders()  # the thread may have done so before there was this one
        done.result()

    def _refuse_orders(self) -> None:
        """Let nobody wait for an order that the thread does not see any more."""
        with suppress(IndexError):  # both the thread and who orders may do so
            while True:
                self._orders.popleft()[1].set_exception(_Over("the proxy has failed"))

    # -- everything below runs in the proxy's own thread ---------------------------

    def _serve(self) -> None:
        try:
            self._serve_until_closed()
        finally:
            # Whoever waits for an order must not wait for a thread that has failed.
            self._closed = True
            self._refuse_orders()
            self._shut()

    def _serve_until_closed(self) -> None:
        while not self._closed:
            ready = {key.fileobj: key.data for key, _ in self._selector.select(self._patience())}
            if self._bell in ready:
                # An order may end what else is ready; what is not comes again.
                self._obey()
                continue
            for source, line in ready.items():
                if source is self._listener:
                    self._accept()
                elif line.pair in self._pairs:  # else it was dropped a moment ago
                    self._read(line)
            if not self._silent:
                self._deliver()

    def _patience(self) -> float | None:
        """Return for how many seconds nothing is due."""
        due = [line.queue[0][0] for pair in self._pairs for line in pair.lines if line.queue]
        if self._silent or not due:
            return None
        left = min(due) - time.monotonic()
        if left < 0.001:
            # Selectors wait for whole milliseconds: too coarse for the last one.
            time.sleep(max(left, 0.0))
            return 0
        return left - 0.001

    def _obey(self) -> None:
        self._bell.recv(_CHUNK)
        while self._orders:
            function, done = self._orders.popleft()
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

    def _accept(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        self.connections += 1
        try:
            server = self._dial()
        except OSError:
            client.close()
            return
        except BaseException:
            client.close()
            raise
        pair = _Pair(client, server)
        self._pairs.add(pair)
        for line in pair.lines:
            self._selector.register(line.source, selectors.EVENT_READ, line)

    def _dial(self) -> socket.socket:
        host, port = str(self._origin["host"]), int(self._origin["port"])
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"{host}/.s.PGSQL.{port}")
        except BaseException:
            server.close()
            raise
        return server

    def _read(self, line: _Line) -> None:
        try:
            data = line.source.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._drop(line.pair, reset=True)
            return
        if not data:
            self._selector.unregister(line.source)
            line.ended = True
        elif line.pair.last is not line:
            line.pair.last = line
            self.round_trips += line.from_client
        line.queue.append((time.monotonic() + self.delay, data))

    def _deliver(self) -> None:
        now = time.monotonic()
        for pair in list(self._pairs):
            try:
                for line in pair.lines:
                    line.deliver(now)
            except OSError:
                self._drop(pair, reset=True)
            else:
                if all(line.ended and not line.queue for line in pair.lines):
                    self._drop(pair, reset=False)

    def _drop(self, pair: _Pair, *, reset: bool) -> None:
        self._pairs.discard(pair)
        for line in pair.lines:
            if not line.ended and not self._silent:
                self._selector.unregister(line.source)
            if reset and line.source.family == socket.AF_INET:
                line.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            line.source.close()

    def _cut(self, *, reset: bool) -> None:
        for pair in list(self._pairs):
            self._drop(pair, reset=reset)

    def _fall_silent(self) -> None:
        if not self._silent:
            self._silent = True
            for source in self._sources():
                self._selector.unregister(source)

    def _resume(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((LOOPBACK, self.port))
            if not self._silent:
                self._selector.register(self._listener, selectors.EVENT_READ)
        if self._silent:
            self._silent = False
            for source, line in self._sources().items():
                self._selector.register(source, selectors.EVENT_READ, line)

    def _sources(self) -> dict[socket.socket, _Line | None]:
        """Return what is listened to while not silent, but for the bell."""
        found: dict[socket.socket, _Line | None] = {
            line.source: line for pair in self._pairs for line in pair.lines if not line.ended
        }
        if self._listener is not None:
            found[self._listener] = None
        return found

    def _stop_listening(self) -> None:
        if self._listener is not None:
            if not self._silent:
                self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _shut(self) -> None:
        self._cut(reset=False)
        self._stop_listening()
        self._selector.close()
        self._bell.close()
        self._closed = True


class _Over(RuntimeError):
    """The proxy was closed, or has failed, in the midst of an order."""


class _Pair:
    """A client's connection and ours to the server, which belong together."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        for one in (client, server):
            one.setblocking(False)
            with suppress(OSError):  # a unix socket has no such option, nor any need of it
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = (
            _Line(self, client, server, from_client=True),
            _Line(self, server, client, from_client=False),
        )
        #: The direction in which something was sent last.
        self.last: _Line | None = None


class _Line:
    """One direction of a pair, and what is on its way there."""

    def __init__(
        self, pair: _Pair, source: socket.socket, sink: socket.socket, *, from_client: bool
    ) -> None:
        self.pair = pair
        self.source = source
        self.sink = sink
        self.from_client = from_client
        self.ended = False
        #: When it is due and what; nothing at all stands for the end of the stream.
        self.queue: deque[tuple[float, bytes]] = deque()

    def deliver(self, now: float) -> None:
        """Send on what is due at *now*."""
        while self.queue and self.queue[0][0] <= now:
            _, data = self.queue.popleft()
            if not data:
                self.sink.shutdown(socket.SHUT_WR)
                continue
            try:
                sent = self.sink.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                self.queue.appendleft((now + _RETRY, data[sent:]))
