"""Numbers are said as a person says them."""

from __future__ import annotations

import pytest

from multipool.dashboard.frames import spoken
from multipool.dashboard.words import count, duration, milliseconds, of, percent


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 ms"),
        (0.0124, "12 ms"),
        (8.21, "8.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (252, "4 min 12 s"),
        (240, "4 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (90_000, "1 d 1 h"),
        (-1, "0 ms"),
        (None, "?"),
    ],
)
def test_durations_have_two_units_at_most(seconds, said):
    assert duration(seconds) == said


def test_counts_agree_with_their_nouns():
    assert count(1, "pool") == "1 pool"
    assert count(1204, "process", "processes") == "1,204 processes"
    assert of(27, 30) == "27 of 30"
    assert of(1204, None) == "1,204"


def test_what_would_round_to_nothing_says_so():
    assert percent(0.004) == "< 1 %"
    assert percent(0) == "0 %"
    assert milliseconds(0.000_041) == "0.041 ms"
    assert milliseconds(0.241) == "241 ms"


def test_a_frame_is_said_with_its_function_first():
    assert spoken("shop/views.py:88 in checkout") == "checkout() shop/views.py:88"
    assert spoken("shop/views.py:88") == "shop/views.py:88"
