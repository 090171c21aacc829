"""A headless Chromium, and all that it complains of."""

from __future__ import annotations

import shutil
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

#: Debian's name, and others'.
_NAMES = ("chromium", "chromium-browser", "google-chrome")

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
).split()


def find_chromium() -> str | None:
    """Return the path of the machine's Chromium, if it has one."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Chromium:
    """A running Chromium."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self.running = self._playwright.chromium.launch(executable_path=self._program, args=_FLAGS)
        return self

    def __exit__(self, *_: object) -> None:
        self.running.close()
        self._playwright.stop()


class Browser:
    """Windows of one visitor."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium.running
        #: Errors and warnings of the console (a breach of the policy is one), exceptions of
        #: scripts, dialogs, requests that failed, and requests to anybody but the page's host.
        self.complaints: list[str] = []
        self._contexts: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for context in self._contexts:
            context.close()

    def open(self, address: str, **options: Any) -> Any:
        """Return a new window (Playwright's ``Page``) at *address*."""
        context = self._chromium.new_context(**options)
        self._contexts.append(context)
        page = context.new_page()
        host = urlsplit(address).netloc
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", lambda asked: self._asked(asked.url, host))
        page.on("requestfailed", lambda asked: self.complaints.append(f"failed: {asked.url}"))
        page.goto(address)
        return page

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str, host: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data" and parts.netloc != host:
            self.complaints.append(f"outside request: {url}")
