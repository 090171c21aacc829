"""Whatever is not markup of ours is text."""

from __future__ import annotations

from multipool.dashboard.html import Html, join, tag


def test_text_is_escaped_in_elements_and_in_attributes():
    made = tag("p", '<b>&"', title="\"><script>'")
    assert made == ('<p title="&quot;&gt;&lt;script&gt;&#x27;">&lt;b&gt;&amp;&quot;</p>')


def test_markup_is_not_escaped_again():
    assert tag("p", tag("b", "x"), ["y", tag("i", "z")]) == "<p><b>x</b>y<i>z</i></p>"


def test_what_is_glued_to_markup_is_text_again():
    glued = Html("<b>") + "<script>"
    assert tag("p", glued) == "<p>&lt;b&gt;&lt;script&gt;</p>"


def test_none_and_false_are_nothing_and_true_is_a_bare_attribute():
    assert tag("input", hidden=True, id=None, open=False) == "<input hidden>"
    assert join(None, False, 0, "") == "0"


def test_characters_that_turn_text_around_or_hide_are_shown_as_such():
    assert join("a\u202eb\u0000c\u200bd\ud800e") == "a\ufffdb\ufffdc\ufffdd\ufffde"
    assert join("tab\tand\nline") == "tab\tand\nline"
