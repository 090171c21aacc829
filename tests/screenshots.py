"""Photograph the dashboard in five states, light and dark, for the documentation.

    python -m tests.screenshots docs/dashboard

Needs Playwright and Chromium, as the tests of the page do. The fleets are made up
(`multipool.testing.fleets`), so the pictures change only when the page does.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.browsing import Chromium, find_chromium

from multipool.dashboard.history import REMEMBERED, History
from multipool.dashboard.latest import Seen
from multipool.dashboard.page import Viewer, page
from multipool.fleet.snapshot import Snapshot
from multipool.testing import fleets

_WIDTH: Final = 1180

#: How much of each page there is to see, in pixels from its top.
_STATES: Final[dict[str, tuple[Callable[[], Snapshot], int]]] = {
    "empty": (fleets.empty, 480),
    "healthy": (fleets.healthy, 1180),
    "exhausted": (fleets.exhausted, 1130),
    "blocked": (fleets.blocked, 1740),
    "200-processes": (fleets.large, 2880),
}


def main() -> None:
    """Write the pictures into the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    program = find_chromium()
    if program is None:
        parser.error("install chromium (apt-get install chromium)")
    folder.mkdir(exist_ok=True)
    with Chromium(program) as chromium:
        for scheme in ("light", "dark"):
            window = chromium.running.new_page(
                color_scheme=scheme, viewport={"width": _WIDTH, "height": 800}
            )
            for name, (state, height) in _STATES.items():
                window.set_content(_drawn(state(), may_end=name == "blocked"))
                tall = window.evaluate("document.documentElement.scrollHeight")
                path = folder / f"{name}-{scheme}.png"
                clip = {"x": 0, "y": 0, "width": _WIDTH, "height": min(height, tall)}
                window.screenshot(path=path, full_page=True, clip=clip)
                print(f"{path} ({path.stat().st_size // 1024} KB)")


def _drawn(snapshot: Snapshot, may_end: bool) -> str:
    """Return the page, as it is after five minutes that came to what it shows."""
    history = History()
    moments = 120
    for moment in range(moments + 1):
        part = 0.5 + 0.5 * math.sin(moment / 9) ** 2 if moment < moments * 0.7 else 1.0
        waits = max(moment / moments - 0.7, 0) / 0.3
        pools = tuple(
            replace(pool, used=round(pool.used * part), waiting=round(pool.waiting * waits))
            for pool in snapshot.pools
        )
        history.add(replace(snapshot, pools=pools), moment * REMEMBERED / moments)
    viewer = Viewer("the photographer", may_end=may_end)
    return page(Seen(snapshot, 0.4, None, history), viewer)


if __name__ == "__main__":
    main()
