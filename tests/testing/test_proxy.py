"""The breakable proxy counts, delays and breaks as it says. A server of plain sockets answers."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque

import pytest
from support import Thread

from multipool.testing.proxy import Proxy


@pytest.fixture
def echo():
    """The parameters of a server that sends back each thing it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = []

        def answer(peer):
            with peer:
                while data := _received(peer):
                    peer.sendall(data)

        def accept():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=answer, args=[peer], daemon=True))
                threads[-1].start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield {"host": "127.0.0.1", "port": str(listener.getsockname()[1]), "dbname": "x"}
        listener.shutdown(socket.SHUT_RDWR)
    acceptor.join(5)
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive(), "the proxy left a connection to the server open"


def _received(peer):
    try:
        return peer.recv(1 << 16)
    except OSError:
        return b""


@pytest.fixture
def proxy(echo):
    with Proxy(echo) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with dial(proxy) as client:
        yield client


def dial(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def exchange(client, data=b"hello"):
    client.sendall(data)
    received = b""
    while len(received) < len(data):
        received += client.recv(1 << 16)
    return received


def test_what_is_sent_comes_through_both_ways(client):
    data = bytes(range(256)) * 20_000
    answers = []
    thread = threading.Thread(target=lambda: answers.append(exchange(client, data)))
    thread.start()
    thread.join(20)
    assert answers == [data]


def test_connections_and_round_trips_are_counted(proxy, client):
    exchange(client)
    exchange(client)
    with dial(proxy) as other:
        exchange(other)
        assert proxy.open == 2
    assert proxy.connections == 2
    assert proxy.round_trips == 3


def test_two_writes_without_an_answer_between_them_are_one_round_trip(echo):
    with Proxy(echo, delay=0.05) as proxy, dial(proxy) as client:
        client.sendall(b"a")
        time.sleep(0.01)
        client.sendall(b"b")
        received = b""
        while received != b"ab":
            received += client.recv(10)
        assert proxy.round_trips == 1


def test_delay_is_added_in_each_direction_and_to_all_alike(proxy, client):
    exchange(client)
    proxy.delay = 0.02
    started = time.monotonic()
    for _ in range(5):
        exchange(client)
    each = (time.monotonic() - started) / 5
    assert 0.040 <= each < 0.060


def test_the_delay_is_of_the_line_not_of_each_chunk_in_turn(proxy, client):
    """Whatever is on its way travels side by side: a long answer takes one delay, not many."""
    proxy.delay = 0.05
    started = time.monotonic()
    exchange(client, b"x" * 1_000_000)
    assert 0.1 <= time.monotonic() - started < 0.5


def test_an_orderly_cut_is_an_end_of_file_and_new_connections_are_welcome(proxy, client):
    exchange(client)
    proxy.cut()
    assert client.recv(10) == b""
    assert proxy.open == 0
    with dial(proxy) as other:
        assert exchange(other) == b"hello"


def test_a_reset_is_a_reset(proxy, client):
    exchange(client)
    proxy.cut("reset")
    with pytest.raises(ConnectionResetError):
        client.recv(10)


def test_silence_tells_nobody_and_what_was_held_back_comes_afterwards(proxy, client):
    exchange(client)
    proxy.silence()
    client.settimeout(0.1)
    client.sendall(b"anybody?")
    with pytest.raises(TimeoutError):
        client.recv(10)
    with dial(proxy) as newcomer:  # the kernel accepts it, nobody answers
        newcomer.settimeout(0.1)
        newcomer.sendall(b"hello?")
        with pytest.raises(TimeoutError):
            newcomer.recv(10)
        proxy.resume()
        client.settimeout(5)
        newcomer.settimeout(5)
        assert client.recv(10) == b"anybody?"
        assert newcomer.recv(10) == b"hello?"


def test_refused_are_new_connections_only_and_until_it_resumes(proxy, client):
    exchange(client)
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    assert exchange(client) == b"hello"
    proxy.resume()
    with dial(proxy) as other:
        assert exchange(other) == b"hello"


def test_a_server_that_is_not_there_ends_the_clients_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Proxy({"host": "127.0.0.1", "port": port}) as proxy, dial(proxy) as client:
        assert client.recv(10) == b""


def test_the_clients_end_reaches_the_server_and_the_rest_of_the_answer_the_client(client, proxy):
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    received = b""
    while data := client.recv(10):
        received += data
    assert received == b"last words"
    deadline = time.monotonic() + 5
    while proxy.open and time.monotonic() < deadline:
        time.sleep(0.001)
    assert proxy.open == 0


def test_a_closed_proxy_leaves_no_thread_and_takes_no_orders(echo):
    before = threading.active_count()
    proxy = Proxy(echo)
    proxy.close()
    proxy.close()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="closed"):
        proxy.cut()
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"host": "127.0.0.1", "dbname": "x"}, "port"),
        ({"port": 5432}, "host"),
        ({"host": "127.0.0.1,127.0.0.2", "port": "5432,5433"}, "host"),
        ({"host": "127.0.0.1", "port": "5432,5433"}, "port"),
    ],
)
def test_without_one_host_and_one_port_it_is_refused(params, name):
    with pytest.raises(ValueError, match=f"must name one {name}"):
        Proxy(params)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_has_failed_keeps_no_client_and_no_port(proxy, client, monkeypatch):
    exchange(client)
    monkeypatch.setattr(proxy, "_dial", lambda: 1 / 0)
    with dial(proxy) as other:
        assert _received(other) == b""
    assert _received(client) == b""
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("order", ["cut", "close"])
def test_nobody_waits_for_an_order_given_as_it_fails(proxy, monkeypatch, order):
    monkeypatch.setattr(proxy, "_dial", lambda: 1 / 0)

    class Orders(deque):
        def append(self, order):
            with dial(proxy) as client:
                assert _received(client) == b""
            proxy._thread.join(5)
            super().append(order)

    monkeypatch.setattr(proxy, "_orders", Orders())
    giving = Thread(getattr(proxy, order))
    if order == "close":
        giving.outcome()
    else:
        with pytest.raises(RuntimeError, match="the proxy has failed"):
            giving.outcome()


def test_the_server_may_be_behind_a_unix_socket(server):
    """PostgreSQL's own: an SSLRequest is answered with one letter."""
    with Proxy(server.params) as proxy, dial(proxy) as client:
        client.sendall(bytes.fromhex("0000000804d2162f"))
        assert client.recv(1) in (b"N", b"S")
