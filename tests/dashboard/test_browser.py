"""A real browser shows it, keeps it up to date, and has nothing to complain of."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from scenes import PAYLOAD, Made, hostile

from multipool.testing import fleets

STATES = [fleets.empty, fleets.healthy, fleets.exhausted, fleets.blocked, fleets.large]
PARTS = ["suspects", "budget", "pools", "blocking", "queries", "usage", "processes"]
HEADINGS = [
    "Suspects",
    "Server budget",
    "Pools",
    "Who blocks whom",
    "Queries",
    "Held and used",
    "Processes",
]


def test_the_verdict_and_every_part_are_there(browser, serve):
    page = browser.open(serve(fleets.exhausted))
    assert "27 of 30 held by checkout() shop/views.py:88" in page.inner_text("#verdict")
    for part, heading in zip(PARTS, HEADINGS, strict=True):
        assert page.inner_text(f"#{part} h2").startswith(heading)
    assert "shop/payment.py:47" in page.inner_text("#suspects .stacks")


def test_the_tree_shows_who_blocks_whom(browser, serve):
    page = browser.open(serve(fleets.blocked))
    roots = page.locator("#blocking .tree > li")
    assert roots.count() == 1
    assert "pid 5000" in roots.first.locator("> .backend").inner_text()
    deepest = page.locator("#blocking li li li")
    assert "pid 5009" in deepest.inner_text()


def test_it_works_without_javascript(browser, serve):
    source = Made(fleets.blocked)
    page = browser.open(serve(source, may_end=True), java_script_enabled=False)
    assert "Critical" in page.title()
    page.click("#suspect-1 > summary")
    assert page.locator("#suspect-1 .stacks").is_visible()
    assert not page.locator("#pause").is_visible()
    page.click("text=Refresh")
    assert page.locator("#verdict").is_visible()
    page.locator("#blocking a.grave").first.click()
    page.click("button:has-text('End session')")
    assert page.locator("#verdict").is_visible()
    assert [wish.pid for wish, _ in source.ended] == [5000]


def test_signing_in_and_out_works_without_javascript(browser, serve):
    address = serve(fleets.healthy, token="correct-horse-battery")
    page = browser.open(address, java_script_enabled=False)
    # The answer 401 is what is tested here, and Chromium says so in its console.
    browser.complaints.clear()
    page.fill("#token", "correct-horse-battery")
    page.click("button:has-text('Sign in')")
    assert page.locator("#verdict").is_visible()
    assert "horse" not in page.url
    page.click("button:has-text('Sign out')")
    assert page.locator("#token").is_visible()
    browser.complaints.clear()


def test_it_refreshes_by_itself_and_leaves_what_was_opened_open(browser, serve):
    states = [fleets.healthy(), fleets.exhausted()]
    page = browser.open(serve(lambda: states[0]))
    page.click("#queries-more > summary")
    states.pop(0)
    page.wait_for_selector("#verdict.bad")
    assert page.title().startswith("Critical: ")
    assert page.locator("#queries-rest").is_visible()
    assert page.evaluate("document.activeElement.parentElement.id") == "queries-more"


def test_it_pauses(browser, serve):
    states = [fleets.healthy(), fleets.exhausted()]
    asked = []
    page = browser.open(serve(lambda: states[0]))
    page.click("#pause")
    assert page.inner_text("#pause") == "Resume"
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3000)
    assert asked == []
    states.pop(0)
    page.click("#pause")
    page.wait_for_selector("#verdict.bad")


def test_markup_that_processes_wrote_stays_text(browser, serve):
    page = browser.open(serve(lambda: hostile(fleets.blocked()), may_end=True))
    for place in ("#verdict", "#suspects", "#budget", "#pools", "#blocking", "#queries", "#usage"):
        assert PAYLOAD in page.text_content(place), place
    assert page.locator("img").count() == 0
    page.wait_for_timeout(2500)  # refreshed once by then
    assert page.locator("img").count() == 0
    page.locator("#blocking a.grave").first.click()
    assert PAYLOAD in page.text_content("dl")


def test_a_script_that_does_get_in_is_not_run(browser, serve):
    """The policy is the second wall: what is put in by other means is refused, and said."""
    page = browser.open(serve(fleets.healthy))
    page.evaluate(
        "document.body.append(document.createRange().createContextualFragment("
        "'<script>window.run = 1</script>'))"
    )
    assert page.evaluate("window.run") is None
    assert any("Content Security Policy" in said for said in browser.complaints)
    browser.complaints.clear()


def test_the_keyboard_reaches_all_of_it(browser, serve):
    page = browser.open(serve(fleets.exhausted))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    assert page.locator(".skip").bounding_box()["width"] > 50
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "verdict"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the first suspect is open, and closes
    assert not page.locator("#suspect-0 .stacks").is_visible()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('[data-part]')?.id"))
    assert {"suspects", "budget", "pools", "queries", "usage", "processes"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_axe_finds_no_barrier(browser, serve, axe, state, scheme):
    page = browser.open(serve(state, may_end=True), color_scheme=scheme)
    page.click("#pause")  # axe keeps the page too busy to refresh in time
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert _barriers(page, axe) == []


def test_axe_finds_no_barrier_before_the_question_or_the_door(browser, serve, axe):
    page = browser.open(serve(fleets.blocked, may_end=True))
    page.locator("#blocking a.grave").first.click()
    assert _barriers(page, axe) == []
    page.goto(serve(fleets.blocked, token="correct-horse-battery"))
    assert _barriers(page, axe) == []
    browser.complaints.clear()  # of the answer 401


def _barriers(page, axe) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    return [
        f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
    ]


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_no_width_makes_the_page_scroll_sideways(browser, serve, state, width):
    page = browser.open(serve(state, may_end=True), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_browser_is_not_kept_busy_by_two_hundred_processes(browser, serve):
    """It has fewer elements than browsers begin to be slow with."""
    page = browser.open(serve(fleets.large))
    assert page.evaluate("document.querySelectorAll('*').length") < 6000
    assert re.match(r"\d+ of \d+ processes report", page.inner_text("#fresh").partition(". ")[2])


def test_a_page_whose_server_is_gone_says_so(browser, serve):
    snapshot = fleets.healthy()
    page = browser.open(serve(lambda: snapshot))
    page.route("**/*", lambda route: route.abort())
    page.wait_for_selector("#trouble:has-text('Not brought up to date')")
    page.unroute("**/*")
    page.wait_for_selector("#trouble:empty", state="attached")
    browser.complaints.clear()


def test_notes_of_the_fleet_are_shown(browser, serve):
    noted = replace(fleets.healthy(), notes=("PgBouncer stands between.",))
    page = browser.open(serve(lambda: noted))
    assert page.inner_text("#notices") == "PgBouncer stands between."
