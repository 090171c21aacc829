"""The answer to what is known already is taken in one go if it is whole, and else not at all."""

from __future__ import annotations

import struct

import pytest

from multipool_pg8000.results import Result, Shape, take_whole


def message(code, body):
    return code + struct.pack("!i", len(body) + 4) + body


def row(*values):
    columns = [
        struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
        for value in values
    ]
    return message(b"D", struct.pack("!H", len(values)) + b"".join(columns))


SHAPE = Shape((), (int, bytes.decode))
BOUND, READY = message(b"2", b""), message(b"Z", b"I")
SELECTED = message(b"C", b"SELECT 2\0") + READY
#: The last byte of the first row looks like the first one of a ReadyForQuery.
WHOLE = BOUND + row(b"1", b"Z") + row(b"2", None) + SELECTED


def test_an_answer_that_is_whole_is_taken_from_where_it_begins():
    expected = Result((), [(1, "Z"), (2, None)], "SELECT 2")
    assert take_whole(WHOLE, 0, SHAPE) == (expected, ord("I"))
    assert take_whole(b"before" + WHOLE, 6, SHAPE) == (expected, ord("I"))
    assert expected.rowcount == 2


def test_a_statement_without_rows_has_its_tag():
    answer = BOUND + message(b"C", b"UPDATE 7\0") + message(b"Z", b"T")
    result, state = take_whole(answer, 0, Shape(None, ()))
    assert (result.columns, result.tag, result.rowcount, state) == (None, "UPDATE 7", 7, ord("T"))


def test_an_answer_of_which_a_piece_is_missing_is_not_taken():
    assert [take_whole(WHOLE[:end], 0, SHAPE) for end in range(len(WHOLE))] == [None] * len(WHOLE)


@pytest.mark.parametrize(
    "answer",
    [
        message(b"1", b"") + WHOLE,
        BOUND + message(b"N", b"SWARNING\0\0") + SELECTED,
        BOUND + row(b"1", b"a") + message(b"N", b"SWARNING\0\0") + SELECTED,
        BOUND + row(b"1", b"a") + message(b"E", b"SERROR\0\0") + READY,
        BOUND + message(b"C", b"SELECT 0\0") + message(b"A", b"pid.name\0\0") + READY,
        BOUND + message(b"C", b"SELECT 0\0") + message(b"S", b"TimeZone\0UTC\0") + READY,
        BOUND + message(b"I", b"") + READY,
        BOUND + row(b"x", b"a") + SELECTED,
        WHOLE + READY,
        WHOLE + WHOLE,
    ],
)
def test_an_answer_with_anything_else_in_it_is_not_taken(answer):
    assert take_whole(answer, 0, SHAPE) is None
