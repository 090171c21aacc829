"""``multipool demo --keep``: four processes, a leak, and the page that shows it."""

from __future__ import annotations

import json
import signal
import urllib.request

from support import until


def test_the_leak_is_on_the_page_and_nothing_is_left_behind(evening):
    process = evening.start("--keep")
    page = process.stdout.readline().strip()
    assert page.startswith("http://127.0.0.1:")

    def look():
        with urllib.request.urlopen(f"{page}snapshot.json", timeout=10) as answer:
            return json.load(answer)["snapshot"]

    def leak_is_seen():
        snapshot = look()
        return len(snapshot["processes"]) == 4 and any(
            "count_stock" in line
            for holder in snapshot["holders"]
            for line in [*holder["checked_out_at"], *holder["doing"]]
        )

    until(leak_is_seen, timeout=60)
    [app] = look()["applications"]
    assert (app["name"], app["processes"]) == ("shop", 4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert "nothing was left behind" in errors
    assert evening.left_behind() == []
