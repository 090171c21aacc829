"""Details on their way through the database, and what others may write in their place."""

from __future__ import annotations

import zlib
from base64 import b64encode
from secrets import token_hex

import pytest

from multipool.fleet.packing import MOST, pack, unpack
from multipool.fleet.reporting import fitting


def packed(text):
    """Return *text* as details are packed, whatever it is."""
    raw = text if isinstance(text, bytes) else text.encode()
    return b64encode(zlib.compress(raw)).decode()


def test_what_is_packed_is_unpacked():
    details = {"frames": ["/srv/été.py:1 in f"], "pools": {"a": {"holders": [1.5, None, True]}}}
    assert unpack(pack(details)) == details


@pytest.mark.parametrize(
    "sent",
    [
        None,
        5,
        {"frames": []},
        "",
        "no base64",
        "eA==",
        packed("{"),
        packed("[" * 100_000),
        packed('{"a": NaN}'),
        packed('{"a": -Infinity}'),
        packed("9" * 10_000),
        packed('{"a": 1}')[:12],
    ],
)
def test_what_makes_no_sense_is_nothing(sent):
    assert unpack(sent) is None


def test_a_bomb_is_not_unpacked():
    bomb = packed(b" " * (MOST + 1) + b"{}")
    assert len(bomb) < 10_000
    assert unpack(bomb) is None


@pytest.mark.parametrize("letter", ["\\ud800", "\\uDFFF", "\\u0000"])
def test_letters_that_no_page_can_show_are_replaced(letter):
    assert unpack(packed(f'{{"a": "b{letter}"}}')) == {"a": "b\ufffd"}
    assert unpack(packed('{"a": "\\ud83d\\ude00"}')) == {"a": "\U0001f600"}


def test_bytes_that_are_no_text_are_replaced():
    assert unpack(packed(b'{"a": "\xff"}')) == {"a": "\ufffd"}


def details(size, what):
    """Return those of a pool of which *what* comes to some *size* characters."""
    noise = token_hex(size // 2)
    some = {"holders": [{"thread": "web"}], "idle": [], "waiters": [], "queries": [], "usage": []}
    return {"default": {**some, what: [{"statement": noise}]}}


@pytest.mark.parametrize(
    ("size", "what", "told"),
    [
        (1000, "queries", {"holders", "idle", "waiters", "queries", "usage"}),
        (2_000_000, "usage", {"holders", "idle", "waiters", "queries"}),
        (2_000_000, "queries", {"holders", "idle", "waiters"}),
        (2_000_000, "waiters", {"holders"}),
    ],
)
def test_of_details_beyond_what_the_server_takes_the_more_important_are_told(size, what, told):
    packed = fitting(details(size, what))
    assert len(packed) < 1_000_000
    assert unpack(packed)["pools"]["default"].keys() == told


def test_where_even_the_holders_are_too_many_a_process_tells_its_figures_alone():
    assert fitting(details(2_000_000, "holders")) is None
