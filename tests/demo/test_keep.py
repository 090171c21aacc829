"""``multipool demo --keep``: four processes, a leak, and the page that shows it."""

from __future__ import annotations

import json
import signal
import urllib.request

from support import until

#: What a user may have set, about a server of their own.
LIBPQS = {
    "PGHOSTADDR": "192.0.2.1",
    "PGSSLMODE": "require",
    "PGCHANNELBINDING": "require",
    "PGOPTIONS": "-c no_such=1",
}


def snapshot_of(page):
    with urllib.request.urlopen(f"{page}snapshot.json", timeout=10) as answer:
        return json.load(answer)["snapshot"]


def test_the_leak_is_on_the_page_and_nothing_is_left_behind(evening):
    process = evening.start("--keep")
    page = process.stdout.readline().strip()
    assert page.startswith("http://127.0.0.1:")

    def leak_is_seen():
        snapshot = snapshot_of(page)
        return len(snapshot["processes"]) == 4 and any(
            "count_stock" in line
            for holder in snapshot["holders"]
            for line in [*holder["checked_out_at"], *holder["doing"]]
        )

    until(leak_is_seen, timeout=60)
    [app] = snapshot_of(page)["applications"]
    assert (app["name"], app["processes"]) == ("shop", 4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert "nothing was left behind" in errors
    assert evening.left_behind() == []


def test_what_libpq_finds_in_the_environment_is_about_another_server(evening):
    evening.env |= LIBPQS
    process = evening.start("--keep")
    page = process.stdout.readline().strip()
    assert page.startswith("http://127.0.0.1:"), process.communicate(timeout=20)
    until(lambda: len(snapshot_of(page)["processes"]) == 4, timeout=60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert evening.left_behind() == []
