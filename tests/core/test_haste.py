from __future__ import annotations

import random

import pytest

from scrapeguard.core.clients import ClientKey
from scrapeguard.core.history import History
from scrapeguard.core.request import Request
from scrapeguard.core.signals import SIGNALS

AT_ONCE, HURRIED = "pages-at-once", "hurried-clicks"
PAGE = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "user-agent": "Mozilla/5.0 Chrome/142.0.0.0"}


class Browser:
    """One client, which has fetched the style of the site."""

    def __init__(self, history=None, styles=1):
        self.history = History() if history is None else history
        self.history.styles.served("h", 0.0)
        self.now = 100.0
        self.at = "/"
        self.open("/", after=0.0)
        for _ in range(styles):
            self.part("/site.css")

    def _ask(self, path, **headers):
        asked = Request.of(path, headers={**PAGE, **headers}, host="h")
        conduct = self.history.conduct(ClientKey.of(asked, "192.0.2.1"), self.now)
        return {said.signal for said in self.history.note(asked, conduct, self.now)}

    def part(self, path):
        self._ask(path, **{"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"})

    def open(self, path, *, after, source=None, **headers):
        self.now += after
        said = {"sec-fetch-site": "none"} if source is None else {"referer": f"https://h{source}"}
        found = self._ask(path, **{"sec-fetch-site": "same-origin", **said, **headers})
        self.at = path
        return found & {AT_ONCE, HURRIED}

    def click(self, path, *, after):
        return self.open(path, after=after, source=self.at)


def first(sign, steps):
    """The number of the first page for which a sign was seen; None if it never was."""
    return next((number for number, found in enumerate(steps, 1) if sign in found), None)


@pytest.mark.parametrize(("pause", "at_most"), [(0.01, 22), (0.2, 25), (0.5, 32), (0.75, 43)])
def test_clicks_that_nobody_can_have_made_are_few(pause, at_most):
    browser = Browser()
    steps = (
        (browser.click(f"/{number}", after=pause), browser.part(f"/{number}.png"))[0] for number in range(at_most + 5)
    )
    assert 20 < first(HURRIED, steps) <= at_most


@pytest.mark.parametrize(("mean", "pages"), [(2.0, 300), (5.0, 300), (24.0, 300)])
def test_people_leaf_through_pages_as_long_as_they_like(mean, pages):
    dice = random.Random(3)
    browser = Browser()
    for number in range(pages):
        assert not browser.click(f"/{number}", after=dice.uniform(0.3, 1.7) * mean)


def test_a_page_that_loads_itself_again_and_again_is_left_alone():
    browser = Browser()
    assert not any(browser.click("/status", after=0.5) for _ in range(100))
    assert not any(browser.click(f"/status/{number % 2}", after=0.9) for number in range(100))


def test_frames_of_a_page_are_no_clicks():
    browser = Browser()
    for number in range(30):
        found = browser.open(f"/frame/{number}", after=0.6, source=browser.at, **{"sec-fetch-dest": "iframe"})
        assert HURRIED not in found


def test_who_asks_for_pages_alone_as_fast_as_it_can_is_asked_before_long():
    browser = Browser()
    assert 10 < first(AT_ONCE, (browser.open(f"/{number}", after=0.01, source="/") for number in range(30))) <= 12


def test_who_restores_a_session_opens_twice_as_many():
    browser = Browser()
    assert first(AT_ONCE, (browser.open(f"/{number}", after=0.02) for number in range(30))) > 20
    browser = Browser()
    sources = (browser.open(f"/{number}", after=0.02, source=f"/other/{number}") for number in range(30))
    assert first(AT_ONCE, sources) > 20


def test_tabs_that_fetch_what_belongs_to_them_come_at_once_as_often_as_they_like():
    browser = Browser()
    for number in range(100):
        assert not browser.open(f"/{number}", after=0.1, source="/")
        browser.part(f"/{number}.png")


def test_ten_links_in_ten_tabs_now_and_then_are_people():
    browser = Browser()
    for number in range(100):
        assert not browser.open(f"/{number}", after=0.0 if number % 10 else 30.0, source="/")


def test_twenty_colleagues_behind_one_address_are_slower_than_they_seem():
    """Their clicks cross, and each has fetched the style."""
    dice = random.Random(5)
    browser = Browser(styles=20)
    at = ["/"] * 20
    for number in range(180):
        who = number % 20
        assert not browser.open(f"/{dice.randrange(500)}", after=0.25, source=at[who])
        at[who] = browser.at


def test_where_a_site_has_nothing_but_pages_nothing_is_missed_between_them():
    browser = Browser()
    browser.history = History()
    assert not any(AT_ONCE in browser.open(f"/{number}", after=0.01, source="/") for number in range(50))


def test_who_passes_a_challenge_keeps_no_more_than_what_speaks_against_readers():
    assert SIGNALS[AT_ONCE].weight < 100
    assert SIGNALS[HURRIED].weight < 100
    history = History()
    browser = Browser(history)
    for number in range(14):
        browser.open(f"/{number}", after=0.01, source="/")
    found = browser.click("/more", after=30.0)
    assert found == {AT_ONCE}


def test_what_one_worker_finds_is_told_to_the_others():
    here, there = History(), History()
    here.tell = there.heard
    browser = Browser(here)
    for number in range(30):
        browser.click(f"/{number}", after=0.1)
    browser.history = there
    assert HURRIED in browser.click("/elsewhere", after=5.0)


def test_a_referrer_without_anybody_who_led_there_is_said_by_a_program():
    history = History()
    browser = Browser(history)
    for number in range(30):
        found = browser._ask(f"/{number}", **{"sec-fetch-site": "none", "referer": "https://h/"})
        browser.now += 30.0
    assert "never-follows-links" in found
