"""The page answers in order, folds what would flood it, and escapes what processes wrote."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from scenes import PAYLOAD, hostile, seen

from multipool.dashboard.page import Viewer, page
from multipool.testing import fleets

ANYBODY = Viewer("anybody")
MAY_END = Viewer("somebody", may_end=True)
STATES = [
    fleets.empty,
    fleets.healthy,
    fleets.exhausted,
    fleets.blocked,
    fleets.sharing,
    fleets.large,
]


class Outline(HTMLParser):
    """The elements of a page, and its text."""

    VOID = frozenset({"br", "col", "hr", "input", "link", "meta"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, name):
        return [attrs for tag, attrs in self.elements if tag == name]


@pytest.fixture(params=STATES, ids=lambda state: state.__name__)
def state(request):
    return request.param()


def test_the_questions_of_3_am_are_answered_in_order():
    outline = Outline(page(seen(fleets.exhausted()), ANYBODY))
    order = [
        "fresh",
        "verdict",
        "suspects",
        "budget",
        "pools",
        "blocking",
        "queries",
        "usage",
        "processes",
    ]
    found = [attrs["id"] for _, attrs in outline.elements if attrs.get("id") in order]
    assert found == order


def test_it_is_well_formed_and_each_id_stands_once(state):
    outline = Outline(page(seen(state), MAY_END))
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert len(outline.all("h1")) == len(outline.all("main")) == 1


def test_nothing_in_it_needs_more_than_its_policy_allows(state):
    for name, attrs in Outline(page(seen(state), MAY_END)).elements:
        assert "style" not in attrs, name
        assert not [key for key in attrs if key.startswith("on")], name
        assert "src" not in attrs, name


def test_every_table_has_a_caption_and_headings_with_a_scope(state):
    outline = Outline(page(seen(state), ANYBODY))
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert {attrs.get("scope") for attrs in outline.all("th")} <= {"col", "row"}


def test_pictures_say_what_they_show_or_are_hidden_from_screen_readers(state):
    html = page(seen(state), ANYBODY)
    for attrs in Outline(html).all("svg"):
        titled = attrs.get("role") == "img"
        assert titled or attrs.get("aria-hidden") == "true"


def test_markup_in_any_name_stays_text(state):
    html = page(seen(hostile(state)), MAY_END)
    outline = Outline(html)
    assert PAYLOAD in "".join(outline.text)
    assert len(outline.all("script")) == 1
    assert outline.all("img") == []
    assert "<script>alert" not in html


def test_a_leak_is_shown_with_file_and_line_and_its_three_stacks():
    text = " ".join(Outline(page(seen(fleets.exhausted()), ANYBODY)).text)
    for heading, frame in [
        ("Checked out at", "shop/views.py:88"),
        ("Last query at", "shop/views.py:91"),
        ("Now doing", "shop/payment.py:47"),
    ]:
        assert re.search(rf"{heading}.{{,40}}{frame}", text), heading


def test_two_hundred_processes_are_folded():
    html = page(seen(fleets.large()), ANYBODY)
    assert len(html) < 200_000
    assert "The 20 fullest of 200, process by process" in html


def test_far_more_than_that_stay_on_one_page():
    huge = page(seen(fleets.large(2000, 20_000)), ANYBODY)
    assert len(huge) < 700_000
    assert "The first 300 of 2,000 as a table" in huge


def test_links_to_end_sessions_are_only_there_for_who_may():
    assert 'href="end?' in page(seen(fleets.blocked()), MAY_END)
    assert 'href="end?' not in page(seen(fleets.blocked()), ANYBODY)


def test_statements_with_literals_are_shown_where_the_snapshot_has_them():
    blocked = fleets.blocked()
    backends = tuple(replace(one, raw_sql="select 'a literal'") for one in blocked.backends)
    html = page(seen(replace(blocked, backends=backends)), ANYBODY)
    assert "select &#x27;a literal&#x27;" in html


def test_what_could_not_be_read_again_is_shown_as_old():
    html = page(seen(fleets.healthy(), error="OperationalError: it is gone"), ANYBODY)
    assert "this is the last known: OperationalError: it is gone" in html


def test_without_any_snapshot_it_says_why():
    html = page(seen(None, error="FleetError: run `multipool fleet install`"), ANYBODY)
    assert "No data" in html
    assert "run `multipool fleet install`" in html


def test_a_budget_that_processes_share_stands_beneath_the_servers():
    outline = Outline(page(seen(fleets.sharing()), ANYBODY))
    text = " ".join("".join(outline.text).split())
    assert "Budget of shop 27 of 30 given to 24 pools, 0 free, 36 wanted, 5 without a share" in text
    assert {"shared-0", "shared-0-more"} <= {attrs.get("id") for _, attrs in outline.elements}
    assert "Budget of" not in page(seen(fleets.healthy()), ANYBODY)


def test_of_many_budgets_those_that_lack_most_are_drawn_and_the_others_listed():
    snapshot = fleets.sharing()
    [short] = snapshot.budgets
    stakes = tuple(replace(stake, want=0) for stake in short.stakes)
    well = [replace(short, app=f"app{number:02}", stakes=stakes) for number in range(10)]
    short = replace(short, app="zeta")
    text = page(seen(replace(snapshot, budgets=(*well, short))), ANYBODY)
    drawn = re.findall(r"Budget of (\w+) <", text)
    assert drawn == ["zeta", *(f"app{number:02}" for number in range(7))]
    assert "3 more applications share a budget" in text
    listed = text.partition("3 more applications share a budget")[2]
    assert [name for name in ("app06", "app07", "app08", "app09") if name in listed] == [
        "app07",
        "app08",
        "app09",
    ]


def test_who_lacks_connections_stands_first_in_a_shared_budget():
    html = page(seen(fleets.sharing()), ANYBODY).partition('id="shared-0"')[2]
    lacking = [stake for stake in fleets.sharing().budgets[0].stakes if stake.want > stake.cap]
    assert lacking
    first = html.partition("<tbody>")[2].split("<tr>")[1 : len(lacking) + 1]
    assert {f"pid {stake.pid}" for stake in lacking} == {
        re.search(r"pid \d+", row).group() for row in first
    }
