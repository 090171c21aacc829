"""A session is ended after a question, by POST, and only where that is allowed."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from scenes import Made, request

from multipool.dashboard.ending import Wish
from multipool.dashboard.site import Site
from multipool.testing import fleets

BACKEND = fleets.blocked().backends[0]
QUERY = {"pid": str(BACKEND.pid), "started": BACKEND.started, "how": "terminate"}
WISH = Wish(BACKEND.pid, BACKEND.started, "terminate")


def site(source: Made, may_end: bool = True) -> Site:
    return Site(source, token=None, may_end=may_end, raw_sql=False)


def confirm(asked: Site, **changes: str):
    """Ask the question, and send its form with *changes*."""
    question = asked.answer(request("/end", query=QUERY))
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', question.body)
    form = {**{name: unescape(value) for name, value in hidden}, **changes}
    [cookie] = [value for name, value in question.headers if name == "Set-Cookie"]
    from urllib.parse import urlencode

    return asked.answer(
        request(
            "/end",
            "POST",
            headers={"cookie": cookie.partition(";")[0]},
            body=urlencode(form).encode(),
        )
    )


def test_it_is_off_by_default():
    source = Made(fleets.blocked)
    assert site(source, may_end=False).answer(request("/end", query=QUERY)).status == 403
    assert source.ended == []


def test_the_form_is_refused_too_where_it_is_off():
    source = Made(fleets.blocked)
    csrf = "a" * 43
    asked = request(
        "/end",
        "POST",
        headers={"cookie": f"multipool_csrf={csrf}"},
        body=f"csrf={csrf}&pid=1&started=x&how=cancel".encode(),
    )
    assert site(source, may_end=False).answer(asked).status == 403
    assert source.ended == []


def test_asking_says_what_will_happen_and_does_nothing():
    source = Made(fleets.blocked)
    answer = site(source).answer(request("/end", query=QUERY))
    assert answer.status == 200
    assert "End this session?" in answer.body
    assert f"pid {BACKEND.pid}, since {BACKEND.started}" in answer.body
    assert source.ended == []


def test_confirming_does_it_in_the_name_of_who_asked():
    source = Made(fleets.blocked)
    answer = confirm(site(source))
    assert answer.status == 303
    assert source.ended == [(WISH, "somebody on this machine at 127.0.0.1")]


def test_cancelling_a_query_leaves_the_session():
    source = Made(fleets.blocked)
    assert confirm(site(source), how="cancel").status == 303
    assert source.ended[0][0].how == "cancel"


def test_a_session_that_is_over_by_then_is_said_to_be():
    states = [fleets.blocked(), fleets.healthy()]
    source = Made(lambda: states.pop(0) if len(states) > 1 else states[0])
    answer = confirm(site(source))
    assert answer.status == 409
    assert "nothing was done" in answer.body


def test_a_pid_that_somebody_else_has_by_now_is_not_asked_about():
    later = {**QUERY, "started": "2026-11-22 03:00:00+00"}
    assert site(Made(fleets.blocked)).answer(request("/end", query=later)).status == 404


#: What would write a second line to the log.
FORGED = f"{BACKEND.started}): done\nterminate of backend 9 (begun y"


@pytest.mark.parametrize(
    "change",
    [
        {"pid": ""},
        {"pid": "-1"},
        {"pid": "1;"},
        {"how": "kill"},
        {"started": ""},
        {"started": "yesterday"},
        {"started": FORGED[:64]},
        {"started": f"{BACKEND.started}\n"},
    ],
)
def test_nonsense_is_refused(change):
    source = Made(fleets.blocked)
    assert site(source).answer(request("/end", query={**QUERY, **change})).status == 400
    assert confirm(site(source), **change).status == 400
    assert source.ended == []


@pytest.mark.parametrize(
    "started",
    [
        "2026-11-22T02:58:01.553117+00:00",
        "2026-11-22T02:58:01-03:30",
        "2026-11-22 02:58:01.5+00",
        "1883-11-18T12:03:58-00:36:02",
    ],
)
def test_a_beginning_is_known_however_the_server_writes_it(started):
    assert Wish.of({**QUERY, "started": started}) == replace(WISH, started=started)


def test_what_the_server_says_against_it_is_shown():
    class Refusing(Made):
        def end(self, wish, by):
            raise PermissionError("must be a member of pg_signal_backend")

    answer = confirm(site(Refusing(fleets.blocked)))
    assert answer.status == 502
    assert "must be a member of pg_signal_backend" in answer.body


def test_a_hostile_name_stays_text_in_the_question():
    hostile = replace(BACKEND, application="<script>alert(1)</script>")
    blocked = fleets.blocked()
    source = Made(lambda: replace(blocked, backends=(hostile,)))
    answer = site(source).answer(request("/end", query=QUERY))
    assert "<script>" not in answer.body
    assert "&lt;script&gt;" in answer.body
