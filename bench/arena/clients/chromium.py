"""The Chromium of the machine as people have it: its own command, a profile and a window; only then connected to."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from bench.arena.visit import Visit

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing is asked of the network but what a visit opens.
_QUIET = (
    "--no-sandbox --disable-quic --no-first-run --no-default-browser-check --disable-background-networking "
    "--disable-component-update --disable-sync --password-store=basic --disable-gpu --remote-debugging-port=0 "
    # A page that comes back from memory asks for nothing, and Playwright loses sight of it.
    "--disable-features=BackForwardCache"
).split()
_PATIENCE = 10_000
_START = 30.0


def chromium_path() -> str | None:
    """Where Chromium is on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(visit: Visit, *flags: str) -> Iterator[BrowserContext]:
    """A Chromium with its profile in the folder of the visit; leaving it closes the browser as its user does.

    Raises:
        RuntimeError: it does not start.
    """
    profile = visit.folder / "profile"
    port_file = profile / "DevToolsActivePort"
    port_file.unlink(missing_ok=True)
    command = [str(chromium_path()), *_QUIET, *flags, f"--user-data-dir={profile}"]
    environment = {**os.environ, "DISPLAY": visit.display, "HOME": str(visit.folder)}
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere) as process:
        try:
            address = f"http://127.0.0.1:{_port(port_file)}"
            with sync_playwright() as playwright:
                yield playwright.chromium.connect_over_cdp(address).contexts[0]
        finally:
            process.terminate()
            process.wait(_START)


class Reader:
    """A person at a tab.

    Args:
        page: the tab.
        visit: whose time passes while one reads, and who is told what never came.
    """

    def __init__(self, page: Page, visit: Visit) -> None:
        self.page = page
        self._visit = visit

    def open(self, path: str, seconds: float = 20.0) -> None:
        """Open an address from a bookmark, and read."""
        # A refusal with an empty body ends in an error; whether the page comes is asked below.
        with suppress(Error):
            self.page.goto(self._visit.base + path, wait_until="commit", timeout=_PATIENCE)
        self.read(path, seconds)

    def click(self, selector: str, seconds: float = 20.0) -> None:
        """Click on one of such links, and read what is behind."""
        links = self.page.locator(selector)
        link = links.nth(self._visit.dice.randrange(links.count() or 1))
        try:
            path = link.get_attribute("href", timeout=_PATIENCE) or ""
            with self.page.expect_navigation(wait_until="commit", timeout=_PATIENCE):
                link.click(timeout=_PATIENCE)
        except Error:
            self._visit.lost.append(f"{selector} on {self.page.url}")
            return
        self.read(path, seconds)

    def read(self, path: str, seconds: float = 20.0) -> None:
        """Wait for the page, be it after another that leads there by itself, and read it; else it is lost."""
        try:
            self.page.wait_for_url(f"**{path}", wait_until="load", timeout=_PATIENCE)
            self.page.wait_for_selector("#story", state="attached", timeout=_PATIENCE)
        except Error:
            self._visit.lost.append(path)
        self._visit.advance(self._visit.dice.uniform(0.3, 1.7) * seconds)


def forget_cache(folder: Path) -> None:
    """Take from a profile what a browser short of space forgets."""
    for cache in folder.glob("profile/Default/*Cache*"):
        shutil.rmtree(cache)


def _port(file: Path) -> int:
    until = time.monotonic() + _START
    while time.monotonic() < until:
        if file.is_file() and (lines := file.read_text(encoding="utf-8").split()):
            return int(lines[0])
        time.sleep(0.05)
    raise RuntimeError(f"Chromium did not start within {_START:.0f} s")
