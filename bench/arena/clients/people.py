"""People: each reads for a while, and tells what never came."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, Page

from bench.arena.clients.chromium import Reader, chromium, forget_cache
from bench.arena.clients.firefox import BidiError, firefox
from bench.arena.visit import Visit

Person = Callable[[Visit], None]
MORE, NEXT, NAVIGATION = "#more a", "#turn a[rel=next]", "nav a"
_TABS = 20
_CLICKS = 15
_PATIENCE = 15.0
_RULES = """() => {
  const rules = document.createElement("script");
  rules.type = "speculationrules";
  rules.text = JSON.stringify({prefetch: [{where: {href_matches: "/articles/*"}, eagerness: "immediate"}]});
  document.head.append(rules);
}"""


def reading(*flags: str, clicks: int = _CLICKS) -> Person:
    """Chromium with these flags: clicks from article to article, reloads, goes back."""

    def run(visit: Visit) -> None:
        with chromium(visit, *flags) as browser:
            reader = Reader(browser.new_page(), visit)
            reader.open("/")
            for number in range(clicks):
                reader.click(NEXT if number % 4 == 3 else MORE)
            _reload(reader)
            _back(reader)

    return run


def in_tabs(visit: Visit) -> None:
    """Opens articles in tabs beside the one that is read, by the middle button, and looks at all of them."""
    with chromium(visit) as browser:
        reader = Reader(browser.new_page(), visit)
        for start in ("/", "/archive/1", "/archive/2"):
            reader.open(start)
            before = len(browser.pages)
            links = reader.page.locator(MORE)
            wanted = [links.nth(number).get_attribute("href") or "" for number in range(min(6, links.count()))]
            for number in range(len(wanted)):
                links.nth(number).click(button="middle")
            _look_at(browser, before, wanted, visit)


def bookmarks(visit: Visit) -> None:
    """Opens one article after another from bookmarks and mails: each as if typed."""
    with chromium(visit) as browser:
        reader = Reader(browser.new_page(), visit)
        for path in visit.dice.sample(visit.pages, k=12):
            reader.open(path, 90.0)


def restored(*, cold: bool) -> Person:
    """Closes Chromium with 20 tabs open, and opens it again with all of them.

    Args:
        cold: whether the cache is lost meanwhile.
    """

    def run(visit: Visit) -> None:
        paths = visit.dice.sample(visit.pages, k=_TABS)
        with chromium(visit) as browser:
            for path in paths:
                Reader(browser.new_page(), visit).open(path, 30.0)
            # Chromium writes down which tabs are open every few seconds.
            browser.pages[0].wait_for_timeout(4_000)
        if cold:
            forget_cache(visit.folder)
        visit.advance(12 * 3600.0)
        with chromium(visit, "--restore-last-session") as browser:
            tabs = _tabs(browser, paths, visit)
            restored = [path for path in paths if path in tabs]
            if len(restored) < _TABS - 2:
                raise RuntimeError(f"Chromium restored {len(restored)} tabs of {_TABS}")
            for path in restored:
                tabs[path].bring_to_front()
                Reader(tabs[path], visit).read(path, 2.0)

    return run


def office(visit: Visit) -> None:
    """Twenty colleagues behind one address, who read at once, each for ten pages."""
    with chromium(visit) as browser:
        instance = browser.browser
        if instance is None:
            raise RuntimeError("Chromium has no browser to open contexts in")
        colleagues = [Reader(instance.new_context().new_page(), visit) for _ in range(20)]
        for reader in colleagues:
            reader.open("/", 0.2)
        for _ in range(9):
            for reader in colleagues:
                reader.click(MORE, 1.5)


def power_user(visit: Visit) -> None:
    """A hundred and fifty pages within an hour, by clicking."""
    with chromium(visit) as browser:
        reader = Reader(browser.new_page(), visit)
        reader.open("/", 24.0)
        for number in range(150):
            reader.click(NAVIGATION if number % 12 == 11 else MORE, 24.0)


def quick(visit: Visit) -> None:
    """Sixty pages within five minutes, by clicking: somebody who looks for something in a forge or a wiki."""
    with chromium(visit) as browser:
        reader = Reader(browser.new_page(), visit)
        reader.open("/", 5.0)
        for number in range(60):
            reader.click(NAVIGATION if number % 10 == 9 else MORE, 5.0)


def leafing(visit: Visit) -> None:
    """Leafs through forty pages, two seconds each, as through pictures or a comic."""
    with chromium(visit) as browser:
        reader = Reader(browser.new_page(), visit)
        reader.open(visit.pages[0])
        for _ in range(40):
            reader.click(NEXT, 2.0)


def by_keyboard(visit: Visit) -> None:
    """Goes from link to link with the keyboard, as those do who have the page read to them."""
    with chromium(visit) as browser:
        reader = Reader(browser.new_page(), visit)
        reader.open("/")
        for _ in range(_CLICKS):
            link = reader.page.locator(MORE).nth(visit.dice.randrange(5))
            path = link.get_attribute("href") or ""
            link.focus()
            reader.page.keyboard.press("Enter")
            reader.read(path, 30.0)


def fetching_ahead(visit: Visit) -> None:
    """Reads while the browser fetches what the page proposes for the next click (speculation rules)."""
    with chromium(visit) as browser:
        reader = Reader(browser.new_page(), visit)
        reader.open("/")
        for number in range(_CLICKS):
            reader.page.evaluate(_RULES)
            reader.page.wait_for_timeout(300)
            reader.click(NEXT if number % 4 == 3 else MORE)


def firefox_reader(visit: Visit) -> None:
    """Firefox: clicks from article to article, and opens some from bookmarks."""
    with firefox(visit) as tab:
        for number in range(_CLICKS):
            try:
                text = tab.follow(MORE) if number % 5 else tab.goto(visit.base + visit.dice.choice(visit.pages))
            except BidiError:
                text = ""
            if not text:
                visit.lost.append(f"page {number}")
            visit.advance(visit.dice.uniform(5.0, 40.0))


def dumping(*command: str) -> Person:
    """A text browser that writes a page out, and goes on to one that is linked there."""

    def run(visit: Visit) -> None:
        for path in ["/", *visit.dice.sample(visit.pages, k=_CLICKS)]:
            done = subprocess.run(
                [*command, visit.base + path], capture_output=True, text=True, timeout=30, env=_plain(visit.folder)
            )
            if path != "/" and "proof-" not in done.stdout:
                visit.lost.append(path)
            visit.advance(visit.dice.uniform(10.0, 60.0))

    return run


def _plain(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}


def _look_at(browser: BrowserContext, before: int, wanted: list[str], visit: Visit) -> None:
    """Read each of the new tabs."""
    found = _tabs(browser, wanted, visit, skip=before)
    for path in wanted:
        if path in found:
            found[path].bring_to_front()
            Reader(found[path], visit).read(path)
            found[path].close()
        else:
            visit.lost.append(f"{path} in a tab")


def _tabs(browser: BrowserContext, wanted: Sequence[str], visit: Visit, *, skip: int = 0) -> dict[str, Page]:
    """The tabs by path; those that are wanted get some seconds to appear."""
    until = time.monotonic() + _PATIENCE
    while True:
        tabs = {page.url.removeprefix(visit.base): page for page in browser.pages[skip:]}
        if tabs.keys() >= set(wanted) or time.monotonic() > until:
            return tabs
        browser.pages[0].wait_for_timeout(100)


def _reload(reader: Reader) -> None:
    with suppress(Error):
        reader.page.reload(wait_until="commit")
    reader.read("/articles/*")


def _back(reader: Reader) -> None:
    with suppress(Error):
        reader.page.go_back(wait_until="commit")
    reader.read("/articles/*")
