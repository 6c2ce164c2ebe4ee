"""People in a real browser, and scripts that pose as one, against a site on a real server."""

from __future__ import annotations

import threading

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from scrapeguard.app import ScrapeGuard
from scrapeguard.core.decision import Action
from scrapeguard.core.policy import Policy
from scrapeguard.rulefile.load import load_policy

PAGES = 60
PAGES_OF_A_SCRIPT = 15
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FULL = {
    "user-agent": CHROME,
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "accept-language": "en-GB,en;q=0.9",
    "accept-encoding": "gzip, deflate, br",
    "sec-ch-ua": '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    "sec-ch-ua-platform": '"Windows"',
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}


def site():
    def page(request):
        number = int(request.path_params.get("number", 0))
        links = "".join(f'<p><a href="/page/{n}">page {n}</a>' for n in range(number + 1, number + 6))
        head = '<link rel="stylesheet" href="/site.css"><script src="/site.js" defer></script>'
        return HTMLResponse(
            f"<!DOCTYPE html><html><head>{head}</head><body><h1>Page {number}</h1>{links}</body></html>"
        )

    return Starlette(
        routes=[
            Route("/", page),
            Route("/page/{number:int}", page),
            Route("/site.css", lambda request: Response("h1 { color: teal }", media_type="text/css")),
            Route("/site.js", lambda request: Response("fetch('/api/now')", media_type="text/javascript")),
            Route("/api/now", lambda request: JSONResponse({"now": 0})),
        ]
    )


class Recorded:
    """The site on a free port, and who was refused what."""

    def __init__(self, policy: Policy):
        self.refused = []
        self.observed = []
        guarded = ScrapeGuard(site(), policy, record=self._record)
        config = uvicorn.Config(guarded, port=0, log_level="critical", lifespan="off")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            pass
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    def _record(self, event):
        (self.refused if event.decision.refused else self.observed).append(event)

    def stop(self):
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture
def served(tmp_path, catalogue):
    rules = "version: 1\nextends: default\nevents: {log: off}\nverification: {dns: off, refresh: off}\n"
    (tmp_path / "rules.yaml").write_text(rules)
    recorded = Recorded(load_policy(tmp_path / "rules.yaml", catalogue=catalogue))
    yield recorded
    recorded.stop()


@pytest.fixture
def person(browser):
    """What makes a browser context of a person: with a window, and so without the word for none in its name."""
    major = browser.version.partition(".")[0]
    name = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 Safari/537.36"
    contexts = []

    def begin(**more):
        contexts.append(browser.new_context(user_agent=name, **more))
        return contexts[-1]

    yield begin
    for context in contexts:
        context.close()


def test_a_person_reads_on(served, person):
    page = person().new_page()
    page.goto(served.address)
    for _ in range(15):
        page.get_by_role("link").nth(2).click()
    for _ in range(5):
        page.go_back()
    page.reload()
    assert served.refused == []


def test_a_person_without_scripts_or_pictures_types_addresses(served, person):
    context = person(java_script_enabled=False)
    context.route("**/*.png", lambda route: route.abort())
    page = context.new_page()
    for number in range(12):
        page.goto(f"{served.address}/page/{number}")
        assert page.get_by_role("heading").inner_text() == f"Page {number}"
    assert served.refused == []


def test_a_person_comes_back_to_twenty_tabs(served, person):
    context = person()
    tabs = [context.new_page() for _ in range(20)]
    for number, tab in enumerate(tabs):
        # Begun at once, as a restored session does, and not one after the other.
        tab.goto(f"{served.address}/page/{number}", wait_until="commit")
    for number, tab in enumerate(tabs):
        assert tab.get_by_role("heading").inner_text() == f"Page {number}"
    assert served.refused == []


def taken(served, headers, *, paths=None, pause=0.0):
    """How many pages a script gets that asks for one after the other."""
    got = 0
    with httpx.Client(base_url=served.address, headers=headers) as client:
        for path in paths or [f"/page/{number}" for number in range(PAGES)]:
            got += client.get(path).status_code == 200
    return got


def test_a_script_that_borrows_a_name_gets_nothing(served):
    assert taken(served, {"user-agent": CHROME}) == 0
    assert all(event.decision.rule == "thresholds.100" for event in served.refused)


def test_a_script_that_calls_itself_firefox_gets_nothing_either(served):
    assert taken(served, {"user-agent": FIREFOX}) == 0


def other(version):
    """The headers of Chrome in another version: another client at the same address."""
    hints = f'"Chromium";v="{version}", "Google Chrome";v="{version}"'
    return {**FULL, "user-agent": CHROME.replace("142", str(version)), "sec-ch-ua": hints}


def test_a_script_with_every_header_of_chrome_is_stopped_after_a_few_pages(served):
    assert taken(served, FULL, paths=["/site.css"]) == 1
    assert taken(served, other(143)) <= PAGES_OF_A_SCRIPT
    assert served.refused[0].decision.action is Action.CHALLENGE
    last = served.refused[-1].decision
    assert {"no-styles", "always-typed"} <= {reason.signal for reason in last.reasons}


def test_a_script_that_changes_its_name_with_every_page_is_stopped_too(served):
    taken(served, FULL, paths=["/site.css"])
    got = sum(taken(served, other(100 + number), paths=[f"/page/{number}"]) for number in range(40))
    assert got <= 2 * PAGES_OF_A_SCRIPT


def test_a_browser_without_a_window_that_types_every_address_is_stopped(served, browser):
    page = browser.new_page()
    got = sum(page.goto(f"{served.address}/page/{number}").status == 200 for number in range(PAGES))
    assert got <= 25
    page.context.close()


@pytest.mark.parametrize("agent", ["curl/8.11.0", "python-requests/2.32.3", "Miniflux/2.2.4", "UptimeRobot/2.0"])
def test_tools_and_readers_under_their_own_name_are_left_alone(served, agent):
    assert taken(served, {"user-agent": agent}) == PAGES


def test_a_script_of_a_page_may_ask_without_end(served):
    headers = {**FULL, "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"}
    assert taken(served, headers, paths=["/api/now"] * 200) == 200
