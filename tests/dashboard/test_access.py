"""Who may not see does not."""

from __future__ import annotations

import pytest
from scenes import Made, request

from multipool import PoolConfigError
from multipool.dashboard.site import Site
from multipool.testing import fleets

TOKEN = "correct-horse-battery"
DATA = "shop/views.py:88"
PATHS = ["/", "/snapshot.json", "/metrics", "/end"]


def site(token: str | None = None, **options: bool) -> Site:
    return Site(
        Made(fleets.exhausted), token=token, **{"may_end": False, "raw_sql": False, **options}
    )


def cookies(response) -> dict[str, str]:
    """Return the cookies that *response* sets."""
    pairs = [
        value.partition(";")[0].partition("=")[::2]
        for name, value in response.headers
        if name == "Set-Cookie"
    ]
    return dict(pairs)


def session_of(answer) -> tuple[str, str] | None:
    """Return the name and value of the session that *answer* begins, None if it begins none."""
    found = cookies(answer).items()
    return next((pair for pair in found if pair[0].startswith("multipool_session")), None)


def of_session(guarded: Site, token: str) -> str:
    """Return the header by which a browser goes on after it has signed in."""
    return "=".join(session_of(sign_in(guarded, token)))


def sign_in(guarded: Site, token: str):
    """Return the answer to a browser that sends the form with *token*."""
    csrf = cookies(guarded.answer(request()))["multipool_csrf"]
    return guarded.answer(
        request(
            "/sign-in",
            "POST",
            headers={"cookie": f"multipool_csrf={csrf}"},
            body=f"csrf={csrf}&token={token}".encode(),
        )
    )


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_sees_the_page_without_a_token(peer):
    answer = site().answer(request(peer=peer))
    assert answer.status == 200
    assert DATA in answer.body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "strange", None])
def test_without_a_token_no_other_machine_sees_data(peer, path):
    answer = site().answer(request(path, peer=peer))
    assert answer.status == 403
    assert DATA not in answer.body


@pytest.mark.parametrize(
    "header", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]
)
def test_behind_a_proxy_on_this_machine_a_token_is_needed(header):
    assert site().answer(request(headers={header: "10.0.0.7"})).status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8932", "", "127.0.0.1.evil.com"])
def test_a_name_that_was_pointed_at_this_machine_sees_nothing(host):
    assert site().answer(request(headers={"host": host})).status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "[::1]:8932", "127.0.0.1"])
def test_this_machine_may_be_called_by_each_of_its_own_names(host):
    assert site().answer(request(headers={"host": host})).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_with_a_token_nobody_sees_data_without_it(path):
    answer = site(TOKEN).answer(request(path))
    assert answer.status == 401
    assert DATA not in answer.body
    assert TOKEN not in answer.body


def test_a_bearer_of_the_token_sees_data():
    def ask(given):
        return site(TOKEN).answer(
            request("/snapshot.json", peer="10.0.0.7", headers={"authorization": given})
        )

    assert ask(f"Bearer {TOKEN}").status == 200
    assert ask(f"bearer {TOKEN}").status == 200
    assert ask(f"Bearer {TOKEN}x").status == 401
    assert ask(f"Bearer {TOKEN[:-1]}").status == 401
    assert ask("Bearer ").status == 401
    assert ask(f"Basic {TOKEN}").status == 401
    assert ask("Bearer tökén").status == 401


def test_a_token_in_the_address_is_none():
    assert site(TOKEN).answer(request(query={"token": TOKEN})).status == 401


def test_signing_in_begins_a_session_that_does_not_hold_the_token():
    guarded = site(TOKEN)
    answer = sign_in(guarded, TOKEN)
    assert answer.status == 303
    name, session = session_of(answer)
    assert TOKEN not in session
    header = {"cookie": f"{name}={session}"}
    assert DATA in guarded.answer(request(headers=header)).body
    # Another process with the same token knows it too; one with another token does not.
    assert site(TOKEN).answer(request(headers=header)).status == 200
    other = site(TOKEN + "!")
    assert other.answer(request(headers=header)).status == 401
    its_name, _ = session_of(sign_in(other, TOKEN + "!"))
    assert its_name != name
    assert other.answer(request(headers={"cookie": f"{its_name}={session}"})).status == 401


def test_two_dashboards_on_one_host_end_not_each_others_sessions():
    """A browser sends all cookies of a host to each of its ports, and keeps one of each name."""
    tokens = (TOKEN, TOKEN + "!")
    jar = dict(session_of(sign_in(site(token), token)) for token in tokens)
    header = {"cookie": "; ".join(map("=".join, jar.items()))}
    for token in tokens:
        assert site(token).answer(request(headers=header)).status == 200


@pytest.mark.parametrize(
    "foreign",
    [
        'prefs={"dark":true}',
        "a=b,c",
        "name=Jos\u00c3\u00a9",
        "x[y]=1",
        "empty",
        "tz=Berlin (CET)",
        "",
    ],
)
def test_cookies_of_others_on_the_same_name_do_no_harm(foreign):
    ours = of_session(site(TOKEN), TOKEN)
    for header in (f"{foreign}; {ours}", f"{ours}; {foreign}", f" {foreign};{ours} ;"):
        assert site(TOKEN).answer(request(headers={"cookie": header})).status == 200


def test_a_csrf_token_that_is_none_of_ours_is_not_given_back():
    """A subdomain may set cookies for this name too, and would write into our headers."""
    for foreign in ('"' + "a" * 41 + '"', "a" * 42 + ",", "a" * 42 + "\x01", "a" * 39 + r"\012"):
        header = {"cookie": f"multipool_csrf={foreign}"}
        assert foreign not in cookies(site().answer(request(headers=header)))["multipool_csrf"]


def test_a_wrong_token_begins_none():
    answer = sign_in(site(TOKEN), "not-the-right-token")
    assert answer.status == 401
    assert session_of(answer) is None
    assert "That is not the token." in answer.body


@pytest.mark.parametrize(
    "tamper", [lambda it: "f" + it, lambda it: it[:-1], lambda it: "é", str.upper]
)
def test_a_session_that_was_changed_is_none(tamper):
    name, session = session_of(sign_in(site(TOKEN), TOKEN))
    header = {"cookie": f"{name}={tamper(session)}"}
    assert site(TOKEN).answer(request(headers=header)).status == 401


def test_a_session_ends(monkeypatch):
    header = {"cookie": of_session(site(TOKEN), TOKEN)}
    import time

    later = time.time() + 13 * 3600
    monkeypatch.setattr("multipool.dashboard.guard.time.time", lambda: later)
    assert site(TOKEN).answer(request(headers=header)).status == 401


def test_cookies_are_kept_from_scripts_and_other_sites():
    [cookie] = [
        value for name, value in sign_in(site(TOKEN), TOKEN).headers if name == "Set-Cookie"
    ]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_token_that_can_be_guessed_is_refused():
    with pytest.raises(PoolConfigError, match="token must have at least 16 characters, not 6"):
        site("secret")


@pytest.mark.parametrize(
    "token",
    ["correct-hörse-battery", "correct-horse-\udcff-battery", f"{TOKEN}\n", f" {TOKEN}", "\t" * 20],
    ids=["beyond ASCII", "no UTF-8", "with a line's end", "with a space", "of tabs"],
)
def test_a_token_that_no_header_carries_unchanged_is_refused_and_not_shown(token):
    """With it one could sign in, and as a bearer's it never fitted."""
    with pytest.raises(PoolConfigError, match="token must be printable ASCII") as refused:
        site(token)
    assert "correct" not in str(refused.value)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/end"])
@pytest.mark.parametrize(
    ("cookie", "sent", "origin"),
    [
        ("", "", None),
        ("a" * 43, "", None),
        ("a" * 43, "b" * 43, None),
        ("", "a" * 43, None),
        ("a" * 43, "a" * 43, "http://evil.example"),
        ("a" * 43, "a" * 43, "null"),
    ],
)
def test_a_form_from_elsewhere_does_nothing(path, cookie, sent, origin):
    headers = {"cookie": f"multipool_csrf={cookie}"}
    if origin:
        headers["origin"] = origin
    asked = request(path, "POST", headers=headers, body=f"csrf={sent}&token={TOKEN}".encode())
    answer = site(TOKEN, may_end=True).answer(asked)
    assert answer.status == 403
    assert session_of(answer) is None


def test_statements_with_literals_are_not_even_read_unless_asked_for():
    for raw_sql in (False, True):
        source = Made(fleets.exhausted)
        Site(source, token=None, may_end=False, raw_sql=raw_sql).answer(request())
        assert source.asked_for_raw == [raw_sql]


def test_every_page_brings_its_policy_and_is_never_kept():
    for guarded in (site(), site(TOKEN)):
        headers = dict(guarded.answer(request()).all_headers())
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["Cache-Control"] == "no-store"


def test_other_methods_and_addresses_are_refused():
    assert site().answer(request(method="POST")).status == 405
    assert site().answer(request(method="DELETE")).status == 405
    assert site().answer(request("/sign-in")).status == 405
    assert site().answer(request("/../etc/passwd")).status == 404
    assert site().answer(request("/", "HEAD")).status == 200


def test_without_its_slash_a_mounted_page_sends_there():
    answer = site().answer(request("", root="/ops/pools"))
    assert answer.status == 303
    assert ("Location", "/ops/pools/") in answer.headers
