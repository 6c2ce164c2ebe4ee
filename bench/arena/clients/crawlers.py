"""Crawlers that are real browsers. They wait for what leads on by itself, and give up when nothing comes any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from playwright.sync_api import BrowserContext, Error, Page, Route, sync_playwright

from bench.arena.clients.chromium import chromium_path
from bench.arena.clients.firefox import firefox
from bench.arena.visit import Answer, Asked, Visit

_MISSES = 20
"""Pages in a row that did not come, after which a crawler by browser stops: each costs seconds."""
_MOST = 100
"""Pages after which a crawler by browser has shown what it can: each costs a quarter of a second."""
_PATIENCE = 3.0
NEXT = "#turn a[rel=next], #more a"


class Tab(Protocol):
    """What a crawler needs of a browser."""

    def goto(self, url: str) -> str:
        """Open a URL and wait for the page; its HTML, empty if it does not come."""

    def follow(self, selector: str) -> str:
        """Click on the first such link, and wait for the page behind it; empty as above."""


Opened = Callable[[Visit], AbstractContextManager[Tab]]


class _GivesUpError(Exception):
    """Nothing has come for long, or enough."""


def by_goto(opened: Opened, *, pace: float = 0.0) -> Callable[[Visit], None]:
    """A crawler that opens each address by itself."""

    def run(visit: Visit) -> None:
        missed = obtained = 0

        def fetch(asked: Asked) -> Answer:
            nonlocal missed, obtained
            text = tab.goto(visit.base + asked.path)
            missed = 0 if text else missed + 1
            obtained += bool(text)
            if missed >= _MISSES or obtained >= _MOST:
                raise _GivesUpError
            return Answer(200 if text else 403, text)

        with opened(visit) as tab:
            try:
                visit.crawl(fetch, pace=pace)
            except _GivesUpError:
                return

    return run


def by_clicking(opened: Opened, *, pace: float = 0.0) -> Callable[[Visit], None]:
    """A crawler that clicks on from each article to the next, and opens an address by itself where it is stuck."""

    def run(visit: Visit) -> None:
        with opened(visit) as tab:
            text = tab.goto(visit.base + "/")
            text = text and tab.follow("#more a")
            missed = 0
            for path in visit.pages[:_MOST]:
                text = tab.follow(NEXT) if text else tab.goto(visit.base + path)
                missed = 0 if text else missed + 1
                if missed >= _MISSES:
                    return
                if pace:
                    visit.advance(pace)

    return run


class PlaywrightTab:
    """A tab of a browser that Playwright drives."""

    def __init__(self, page: Page, *, refers: bool = False) -> None:
        self._page = page
        self._refers = refers

    def goto(self, url: str) -> str:
        """As in `Tab`."""
        try:
            led = self._page.url if self._refers and self._page.url.startswith("http") else None
            self._page.goto(url, wait_until="load", timeout=10_000, referer=led)
        except Error:
            return ""
        return self._story()

    def follow(self, selector: str) -> str:
        """As in `Tab`."""
        try:
            with self._page.expect_navigation(wait_until="load", timeout=10_000):
                self._page.click(selector, timeout=2_000)
        except Error:
            return ""
        return self._story()

    def _story(self) -> str:
        try:
            self._page.wait_for_selector("#story", state="attached", timeout=_PATIENCE * 1000)
            return self._page.content()
        except Error:
            return ""


def playwright(
    *, headless: bool = True, user_agent: str | None = None, bare: bool = False, refers: bool = False
) -> Opened:
    """Chromium as Playwright starts it.

    Args:
        headless: whether without a window.
        user_agent: what it calls itself; None for its own name, which says HeadlessChrome where there is no window.
        refers: whether it says of each address it opens that the page before led there.
        bare: whether it leaves out styles, scripts and pictures, as crawlers do to save time.
    """

    @contextmanager
    def opened(visit: Visit) -> Iterator[Tab]:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=chromium_path(),
                headless=headless,
                args=["--no-sandbox", "--disable-gpu"],
                env={"DISPLAY": visit.display},
            )
            context = browser.new_context(user_agent=user_agent)
            if bare:
                _leave_out_parts(context)
            yield PlaywrightTab(context.new_page(), refers=refers)
            browser.close()

    return opened


def _leave_out_parts(context: BrowserContext) -> None:
    def decide(route: Route) -> None:
        if route.request.resource_type == "document":
            route.continue_()
        else:
            route.abort()

    context.route("**/*", decide)


def bidi(*, headless: bool = True) -> Opened:
    """Firefox as WebDriver drives it."""

    @contextmanager
    def opened(visit: Visit) -> Iterator[Tab]:
        with firefox(visit, headless=headless, patience=_PATIENCE) as tab:
            yield tab

    return opened
