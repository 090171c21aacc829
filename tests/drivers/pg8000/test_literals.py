"""A value arrives as one literal, whatever it holds and however strings are read."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

HOSTILE = [
    "'; drop table x; --",
    "\\'; drop table x; --",
    "\\",
    "'",
    "''",
    "\\\\'",
    "'\\",
    "$$;$$",
    "/*",
    "--",
    "%s %(a)s %%",
    "E'\\''",
    "\u2019\uff07",
    "a\nb\r\t\x08",
    "",
]
PIECES = [
    "'",
    "\\",
    '"',
    "$",
    ";",
    "--",
    "/*",
    "*/",
    "%",
    "E",
    "e",
    "\n",
    "{",
    "}",
    ",",
    "é",
    "'||'",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("binding", ["server", "client"])
def test_a_hostile_value_comes_back_as_it_was_sent(either_strings, value, binding):
    either_strings.binding = binding
    with either_strings.cursor() as cursor:
        cursor.execute("select %s::text, %s", (value, [value, value]))
        assert cursor.fetchall() == [(value, [value, value])]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_one_literal_in_a_statement_without_parameters(either_strings, value):
    with either_strings.cursor() as cursor:
        cursor.execute("set multipool.value to %s", (value,))
        cursor.execute("select current_setting('multipool.value')")
        assert cursor.fetchone() == (value,)


@pytest.mark.parametrize("what", ["time zone", "role", "search_path to"])
def test_session_settings_take_a_parameter(either_strings, what):
    with either_strings.cursor() as cursor:
        good = {"time zone": "Asia/Tokyo", "role": "none", "search_path to": "public"}[what]
        cursor.execute(f"set {what} %s", (good,))
        if what == "search_path to":
            cursor.execute("set search_path to %s", ("'; drop table x; --",))
            cursor.execute("show search_path")
            assert cursor.fetchone() == ('"\'; drop table x; --"',)
        else:
            with pytest.raises(either_strings.DatabaseError, match="drop table"):
                cursor.execute(f"set {what} %s", ("'; drop table x; --",))


def test_thousands_of_random_strings_stay_inside_their_literals(either_strings):
    either_strings.binding = "client"
    chance = random.Random(249)
    with either_strings.cursor() as cursor:
        for _ in range(40):
            values = ["".join(chance.choices(PIECES, k=chance.randrange(12))) for _ in range(50)]
            cursor.execute("select " + ", ".join(["%s::text"] * 50), values)
            assert list(cursor.fetchone()) == values


@pytest.mark.parametrize("binding", ["server", "client"])
def test_bytes_are_the_same_however_strings_are_read(either_strings, binding):
    either_strings.binding = binding
    data = bytes(range(256)) + b"\\'"
    with either_strings.cursor() as cursor:
        cursor.execute("select %s, %s", (data, memoryview(data)))
        assert [bytes(value) for value in cursor.fetchone()] == [data, data]


@pytest.mark.parametrize("binding", ["server", "client"])
def test_a_nul_character_is_refused_before_anything_is_sent(auto, binding):
    auto.binding = binding
    with auto.cursor() as cursor, pytest.raises(ValueError, match="NUL"):
        cursor.execute("select %s", ("a\0b",))


def test_negative_numbers_make_no_comment(auto):
    auto.binding = "client"
    with auto.cursor() as cursor:
        cursor.execute("select 3 -%s, -%s", (-1, -2.5))
        assert cursor.fetchone() == (4, Decimal("2.5"))
