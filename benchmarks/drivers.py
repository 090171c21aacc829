"""What does pg8000 cost with multipool's adapter, and what as shipped?

``select * from t where id = %s`` in autocommit, on connections without a pool: over a line on
which each answer takes 10 ms, over TCP, and over a unix socket. Then opening a connection over
TLS. psycopg2 and psycopg stand beside it, since they have libpq's C to do the same in.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Effort, interleave, medians, per_call
from benchmarks.report import Report, Table, Verdict, microseconds, milliseconds, relative_rows
from multipool.driver import get_driver
from multipool.testing.proxy import Proxy
from multipool.testing.server import LOOPBACK, EmbeddedServer, embedded_server

Params = Mapping[str, Any]
Opener = Callable[[Params], Any]

OURS: Final = "multipool, pg8000"
SHIPPED: Final = "pg8000 as shipped"
PSYCOPG2: Final = "psycopg2"
ROWS: Final = 1000  # of the table
DELAY: Final = 0.005  # seconds, each way

TABLE: Final = """
    create table t (id integer primary key, name text, n integer);
    insert into t select i, 'name ' || i, i from generate_series(0, 999) as i;
    analyze t
"""
CERTIFICATE: Final = Path(__file__).parents[1] / "tests" / "drivers" / "pg8000" / "localhost.pem"
# The first packet of a client that would like to encrypt: its length, and a code.
SSL_REQUEST: Final = b"\0\0\0\x08\x04\xd2\x16\x2f"


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    with embedded_server(tcp=True) as server:
        server.psql(TABLE)
        with Proxy(server.tcp_params, delay=DELAY) as line:
            far = _queries(line.params, effort.pick((20, 5), (2, 1)))
        tcp = _queries(server.tcp_params, effort.pick((1000, 21), (20, 1)))
        near = _queries(server.params, effort.pick((1000, 21), (20, 1)))
        with _tls(server) as params:
            tls = _connects(params, effort.pick((5, 9), (1, 1)))
    return Report(
        "Drivers",
        "What does pg8000 cost with multipool's adapter, and what as shipped?",
        [
            _table("A query on a line with 10 ms of delay", "ms", far, milliseconds),
            _table("A query over TCP on the loopback", "µs", tcp, microseconds),
            _table("A query over a unix socket", "µs", near, microseconds),
            _table("Opening a connection over TLS", "ms", tls, milliseconds),
        ],
        [
            Verdict("time by psycopg2's, 10 ms of delay", far[OURS] / far[PSYCOPG2], at_most=1.1),
            *_beside(tcp, "over TCP"),
            *_beside(near, "over a unix socket"),
            Verdict("times faster than as shipped, TLS", tls[SHIPPED] / tls[OURS], at_least=5),
        ],
    )


def _beside(figures: dict[str, float], where: str) -> list[Verdict]:
    ours = figures[OURS]
    return [
        Verdict(f"times faster than as shipped, {where}", figures[SHIPPED] / ours, at_least=2),
        Verdict(f"time by psycopg2's, {where}", ours / figures[PSYCOPG2], at_most=1.8),
    ]


def _table(title: str, unit: str, figures: dict[str, float], show: Callable[[float], str]) -> Table:
    return Table(title, ["", unit, f"times {OURS}"], relative_rows(figures, OURS, show))


# -- the drivers -------------------------------------------------------------------------


def _adapted(name: str) -> Opener:
    return lambda params: get_driver(name).connect(params, timeout=30)


def _shipped(params: Params) -> Any:
    """Connect as a user of pg8000 does."""
    from pg8000 import dbapi

    host, port = params["host"], int(params["port"])
    return dbapi.connect(
        params["user"],
        database=params["dbname"],
        ssl_context=True if params.get("sslmode") == "require" else None,
        **(
            {"unix_sock": f"{host}/.s.PGSQL.{port}"}
            if host.startswith("/")
            else {"host": host, "port": port}
        ),
    )


OPENERS: Final[dict[str, Opener]] = {
    OURS: _adapted("pg8000"),
    SHIPPED: _shipped,
    PSYCOPG2: _adapted("psycopg2"),
    "psycopg": _adapted("psycopg"),
}


# -- what is timed -----------------------------------------------------------------------


def _queries(params: Params, effort: tuple[int, int]) -> dict[str, float]:
    """Return the seconds for each query, fetched too."""
    count, rounds = effort
    with ExitStack() as stack:
        loops = {}
        for name, opener in OPENERS.items():
            conn = stack.enter_context(closing(opener(params)))
            conn.autocommit = True
            loops[name] = per_call(_query(conn), count)
        return medians(interleave(loops, rounds))


def _query(conn: Any) -> Callable[[int], None]:
    def loop(count: int) -> None:
        for number in range(count):
            cursor = conn.cursor()
            cursor.execute("select * from t where id = %s", (number % ROWS,))
            cursor.fetchall()
            cursor.close()

    return loop


def _connects(params: Params, effort: tuple[int, int]) -> dict[str, float]:
    """Return the seconds for each connection opened, and closed again."""
    count, rounds = effort
    loops = {name: per_call(_connect(opener, params), count) for name, opener in OPENERS.items()}
    return medians(interleave(loops, rounds))


def _connect(opener: Opener, params: Params) -> Callable[[int], None]:
    def loop(count: int) -> None:
        for _ in range(count):
            opener(params).close()

    return loop


# -- TLS, which the embedded server is built without ---------------------------------------


@contextmanager
def _tls(server: EmbeddedServer) -> Iterator[Params]:
    """Yield the parameters by which *server* is reached through a relay that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that hangs up ends its relay, as it would end a server's process.
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(len(SSL_REQUEST))
            assert first == SSL_REQUEST  # noqa: S101  # sslmode=require asks for nothing else
            writer.write(b"S")
            await writer.start_tls(context)
            there = server.tcp_params
            backend = await asyncio.open_connection(there["host"], int(there["port"]))
            await asyncio.gather(_pump(reader, backend[1]), _pump(backend[0], writer))

    def order(task: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(task, loop).result(30)

    listener = order(asyncio.start_server(serve, LOOPBACK, 0))
    port = listener.sockets[0].getsockname()[1]
    try:
        yield {**server.tcp_params, "port": str(port), "sslmode": "require"}
    finally:
        loop.call_soon_threadsafe(listener.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
        sink.close()
