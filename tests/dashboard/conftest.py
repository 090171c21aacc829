"""The dashboard of made-up fleets, served over HTTP, and a browser to look at it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from browsing import Browser, Chromium, find_chromium
from scenes import Made

from multipool.dashboard.server import listen
from multipool.dashboard.site import Site
from multipool.dashboard.wsgi import WSGIDashboard

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a source, or what a function returns as the fleet; gives the page's address."""
    with ExitStack() as stack:
        yield lambda source, **options: stack.enter_context(_served(source, options))


@contextmanager
def _served(source: Any, options: dict[str, Any]) -> Iterator[str]:
    source = Made(source) if callable(source) else source
    site = Site(source, **{"token": None, "may_end": False, "raw_sql": False, **options})
    with listen("127.0.0.1", 0, WSGIDashboard(site)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://{server.address}/"
        server.shutdown()
        thread.join()


# Of a module, since Playwright keeps an event loop running in this thread.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A headless Chromium."""
    pytest.importorskip("playwright", reason="install playwright (pip install playwright)")
    program = find_chromium()
    if program is None:
        pytest.skip("install chromium (apt-get install chromium)")
    with Chromium(program) as running:
        yield running


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Browser]:
    """A window of it; at the end, whatever it complained of fails the test."""
    with Browser(chromium) as window:
        yield window
        # Closing it would cut off a refresh that is under way.
        complaints = list(window.complaints)
    assert complaints == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which looks for barriers to people who cannot see or point."""
    place = Path(os.environ.get("MULTIPOOL_AXE", "node_modules/axe-core/axe.min.js"))
    if not place.is_file():
        pytest.skip(
            "install axe-core (npm install --prefix . axe-core), or name its axe.min.js in"
            " MULTIPOOL_AXE"
        )
    return place.read_text(encoding="utf-8")
