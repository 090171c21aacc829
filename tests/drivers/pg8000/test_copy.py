"""COPY, both ways, and when the file fails."""

from __future__ import annotations

import io
import socket

import pytest
from support import Thread

import multipool_pg8000
from multipool_pg8000 import ProgrammingError, errors
from multipool_pg8000.transport import Stream

ROWS = [(1, "a\tb\\c\n"), (2, None), (3, "é")]


@pytest.fixture
def cursor(conn):
    with conn.cursor() as cursor:
        cursor.execute('create temp table "od d" (id int, name text)')
        yield cursor


def fill(cursor):
    cursor.executemany('insert into "od d" values (%s, %s)', ROWS)


def rows(cursor):
    cursor.execute('select * from "od d" order by id')
    return cursor.fetchall()


@pytest.mark.parametrize("kind", [io.BytesIO, io.StringIO])
def test_a_table_goes_out_and_comes_back_the_same(cursor, kind):
    fill(cursor)
    file = kind()
    cursor.copy_to(file, "od d")
    assert cursor.rowcount == 3
    cursor.execute('truncate "od d"')
    file.seek(0)
    cursor.copy_from(file, "od d", size=5)
    assert (cursor.rowcount, cursor.statusmessage) == (3, "COPY 3")
    assert rows(cursor) == ROWS


def test_separator_null_and_columns_are_told_to_the_server(cursor):
    cursor.copy_from(io.StringIO("x|1\n'|2\n"), "od d", sep="|", null="'", columns=("name", "id"))
    assert rows(cursor) == [(1, "x"), (2, None)]


def test_copy_expert_takes_any_copy(cursor):
    file = io.BytesIO()
    cursor.copy_expert("copy (select 1, 'a') to stdout with csv", file)
    assert file.getvalue() == b"1,a\n"
    binary = io.BytesIO()
    cursor.copy_expert("copy (select 1) to stdout with binary", binary)
    assert binary.getvalue().startswith(b"PGCOPY\n")


def test_a_file_that_fails_ends_the_copy_and_not_the_connection(cursor, conn):
    class Failing(io.StringIO):
        def read(self, size=-1):
            raise ZeroDivisionError

        def write(self, text):
            raise ZeroDivisionError

    fill(cursor)
    conn.commit()
    with pytest.raises(ZeroDivisionError):
        cursor.copy_from(Failing(), "od d")
    conn.rollback()
    with pytest.raises(ZeroDivisionError):
        cursor.copy_to(Failing(), "od d")
    assert rows(cursor) == ROWS


def test_data_that_the_server_refuses_gives_its_error(cursor, conn):
    with pytest.raises(errors.InvalidTextRepresentation):
        cursor.copy_from(io.StringIO("one\ttwo\n"), "od d")
    conn.rollback()
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)


@pytest.mark.parametrize("sql", ["copy (select 1) to stdout", "copy pg_temp.t from stdin"])
def test_a_copy_without_a_file_is_refused_and_leaves_the_connection_in_step(auto, sql):
    with auto.cursor() as cursor:
        cursor.execute("create temp table t (x int)")
        with pytest.raises(ProgrammingError, match="copy_expert"):
            cursor.execute(sql)
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_rows_that_are_copied_in_can_be_seen_by_the_next_statement_of_the_transaction(cursor, conn):
    cursor.copy_from(io.BytesIO(b"1\ta\n"), "od d")
    assert rows(cursor) == [(1, "a")]
    conn.rollback()


@pytest.fixture(params=["unix", "tcp"])
def told(request, server):
    """A connection on which each row that is copied into the table ``told`` gives a notice."""
    dsn = server.tcp_dsn if request.param == "tcp" else server.dsn
    conn = multipool_pg8000.connect(dsn, autocommit=True)
    with conn.cursor() as cursor:
        cursor.execute(
            "create temp table told (id int, name text);"
            "create function pg_temp.tell() returns trigger language plpgsql as"
            " $$ begin raise notice 'row %, %', new.id, repeat('x', 200); return new; end $$;"
            "create trigger tell before insert on told for each row"
            " execute function pg_temp.tell()"
        )
        yield conn
    conn.hang_up()  # which, unlike close(), does not wait should the test have failed


@pytest.mark.parametrize("size", [8192, -1], ids=["in pieces", "in one piece"])
def test_a_copy_is_not_stuck_where_the_server_has_more_to_say_than_any_buffer_holds(told, size):
    data = io.StringIO("".join(f"{number}\tname\n" for number in range(100_000)))
    cursor = told.cursor()
    Thread(lambda: cursor.copy_from(data, "told", size=size)).outcome(60)
    assert cursor.rowcount == 100_000
    assert told.notices[-1].startswith("NOTICE:  row 99999, x")
    cursor.execute("select count(*) from told")
    assert cursor.fetchone() == (100_000,)


def test_no_more_is_read_of_a_file_once_the_server_has_refused_its_data(auto):
    class Endless(io.StringIO):
        pieces = 0

        def read(self, size=-1):
            self.pieces += 1
            return "one\n" * 10_000

    file = Endless()
    cursor = auto.cursor()
    cursor.execute("create temp table numbers (id int)")
    with pytest.raises(errors.InvalidTextRepresentation):
        Thread(lambda: cursor.copy_from(file, "numbers")).outcome(60)
    assert file.pieces > 0
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)


def test_the_servers_last_words_are_heard_where_it_hangs_up_during_a_copy(auto, connect):
    other = connect(autocommit=True)
    cursor = auto.cursor()
    cursor.execute("create temp table numbers (id int)")

    class Terminating(io.StringIO):
        def read(self, size=-1):
            with other.cursor() as killer:
                killer.execute("select pg_terminate_backend(%s, 5000)", (auto.info.backend_pid,))
            return "1\n" * 10_000

    with pytest.raises(errors.AdminShutdown):
        cursor.copy_from(Terminating(), "numbers")
    assert auto.closed == 2


def test_what_is_sent_arrives_at_who_takes_nothing_before_all_it_says_is_taken():
    def speak_first(peer, said):
        peer.sendall(said)
        heard = 0
        while heard < len(said):
            heard += len(peer.recv(65536))
        peer.close()
        return heard

    ours, peer = socket.socketpair()
    with ours:
        stream = Stream(ours)
        said = b"x" * 5_000_000
        thread = Thread(lambda: speak_first(peer, said))
        sending = Thread(lambda: stream.send_and_take(said))
        assert thread.outcome(60) == len(said)
        sending.outcome(60)
        assert ours.gettimeout() is None
        assert stream.read(len(said)) == said
        assert stream.take_arrived() is False
