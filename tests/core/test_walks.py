from __future__ import annotations

import random
from bisect import bisect
from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.behaviour import Behaviour
from scrapeguard.core.browserheaders import BrowserHeaders
from scrapeguard.core.clients import ClientKey, Conduct
from scrapeguard.core.crowds import ROUND
from scrapeguard.core.decision import Action
from scrapeguard.core.history import History
from scrapeguard.core.ledger import Deed, Ledger
from scrapeguard.core.request import Request
from scrapeguard.core.signals import SIGNALS
from scrapeguard.core.walks import Walks
from scrapeguard.guard import Guard

SIGN = "walks-together"
CHROME = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    "accept-language": "en-GB",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}
TYPED = {"sec-fetch-site": "none"}
FOUND = {"sec-fetch-site": "cross-site", "referer": "https://search.example/"}
CLICKED = {"sec-fetch-site": "same-origin", "referer": "https://h/"}
AN_HOUR = 3600.0
LEAKS = ROUND + 1
"""One alone is no crowd, and then a round goes by."""


class Outcome(NamedTuple):
    """How many readers were asked, how often one of them was, and how many pages the walkers got."""

    asked: int
    most: int
    walked: int


class Town:
    """Readers and walkers, all with one browser, on a site that has styles."""

    def __init__(self, seed=1, history=None, now=0.0):
        self.history = History() if history is None else history
        self.history.styles.served("h", 0.0)
        self.dice = random.Random(seed)
        self.now = now
        self.asked = {}
        self.walked = 0

    def opens(self, address, path, *, passes, **headers):
        """Whether the page is handed out at once; who passes loads the style of the challenge."""
        asked = Request.of(path, headers={**CHROME, **headers}, host="h")
        key = ClientKey.of(asked, address, asked.sent[b"accept-language"])
        found = {said.signal for said in self.history.note(asked, self.history.conduct(key, self.now), self.now)}
        if SIGN in found and passes:
            self.asked[address] = self.asked.get(address, 0) + 1
            self.history.passed(key, "h", self.now + 1.0)
        part = Request.of("/site.css", headers={**CHROME, "sec-fetch-mode": "no-cors"}, host="h")
        self.history.note(part, self.history.conduct(key, self.now), self.now)
        return SIGN not in found

    def live(self, *, pages=500, popularity=1.0, readers=0, walkers=0, walked=None):
        """An hour of so many of each, mixed; `popularity` is the exponent of Zipf's law."""
        ways = list(accumulate(1 / (place + 1) ** popularity for place in range(pages)))
        names = self.dice.sample(range(pages), pages)

        def page():
            return f"/a/{names[bisect(ways, self.dice.random() * ways[-1])]}"

        steps = [(at, "r", who, first) for who in range(readers) for at, first in self._times()]
        order = self.dice.sample(range(pages), walked or pages) if walkers else []
        steps += [(n * AN_HOUR / len(order), "w", n % walkers, number) for n, number in enumerate(order)]
        begun = self.now
        for at, kind, who, what in sorted(steps):
            self.now = begun + at
            if kind == "w":
                address = f"172.{who // 200}.{who % 200}.9"
                self.walked += self.opens(address, f"/a/{what}", passes=False, **TYPED)
            else:
                self._read(f"10.{who // 200}.{who % 200}.7", page, first=what)
        return Outcome(len(self.asked), max(self.asked.values(), default=0), self.walked)

    def _times(self):
        at = self.dice.uniform(0, AN_HOUR)
        yield at, True
        for _ in range(int(self.dice.expovariate(1 / 3))):
            at += self.dice.uniform(5, 90)
            yield at, False

    def _read(self, address, page, *, first):
        chance = self.dice.random()
        if first:
            way = FOUND if chance < 0.4 else TYPED
            self.opens(address, "/" if chance > 0.7 else page(), passes=True, **way)
        else:
            self.opens(address, f"/topic/{self.dice.randrange(5)}" if chance < 0.2 else page(), passes=True, **CLICKED)


@pytest.mark.parametrize("walkers", [50, 500])
def test_addresses_that_share_a_site_out_get_little_of_it_though_they_load_styles(walkers):
    assert Town().live(walkers=walkers) == Outcome(0, 0, LEAKS)


@pytest.mark.parametrize("seed", range(3))
def test_readers_with_one_browser_are_not_even_asked(seed):
    assert Town(seed).live(readers=500) == Outcome(0, 0, 0)


@pytest.mark.parametrize(
    ("pages", "popularity"), [(500, 0.5), (500, 0.0), (10_000, 1.0), (100_000, 0.8), (100_000, 0.0)]
)
def test_where_everybody_reads_something_else_a_few_are_asked_and_then_nobody(pages, popularity):
    """They pass, which shows that there is no walk; so it takes more to be suspected there, and in the end too much."""
    town = Town()
    asked, most, _ = town.live(pages=pages, popularity=popularity, readers=500)
    assert asked <= 12
    assert most <= 1
    town.asked.clear()
    later = town.live(pages=pages, popularity=popularity, readers=500)
    assert later.asked <= 12


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_among_fewer_readers_is_found_and_they_pass(seed):
    asked, most, walked = Town(seed).live(readers=100, walkers=500)
    assert walked <= 150
    assert asked < 100
    assert most == 1


def test_a_walk_among_as_many_readers_with_its_browser_is_found_more_often_than_not():
    found = [Town(seed).live(readers=500, walkers=500).walked for seed in range(6)]
    assert sum(walked < 300 for walked in found) >= 3


def test_a_reader_who_passed_is_never_asked_again():
    town = Town()
    town.live(walkers=500)
    assert not town.opens("192.0.2.1", "/a/new", passes=True, **TYPED)
    assert all(town.opens("192.0.2.1", f"/a/new-{number}", passes=True, **TYPED) for number in range(20))


def test_what_many_read_is_open_to_newcomers_of_a_crowd_that_walks():
    town = Town()
    for who in range(3):
        town.opens(f"192.0.{who}.1", "/a/popular", passes=True, **FOUND)
    town.live(walkers=500)
    assert town.opens("198.51.100.1", "/a/popular", passes=True, **TYPED)
    assert not town.opens("198.51.100.2", "/a/unread", passes=True, **TYPED)


def test_what_is_asked_for_again_elsewhere_makes_no_readers():
    town = Town()
    town.live(walkers=50)
    got = town.walked
    assert town.live(walkers=500).walked - got <= ROUND // 10


def test_a_walk_goes_on_being_one_for_as_long_as_it_lasts():
    town = Town()
    for number in range(300):
        town.now += 120.0
        town.walked += town.opens(f"172.0.{number % 50}.9", f"/a/{number}", passes=False, **TYPED)
    assert town.walked == LEAKS


def test_a_crowd_that_is_gone_is_forgotten():
    town = Town()
    town.live(walkers=500)
    town.now += 3 * AN_HOUR
    assert town.opens("198.51.100.2", "/a/unread", passes=True, **TYPED)


def test_an_office_at_one_address_is_no_crowd():
    town = Town()
    for number in range(300):
        town.now += 5.0
        assert town.opens("192.0.2.1", f"/a/{number}", passes=True, **CLICKED)


def test_what_one_worker_finds_holds_for_the_others():
    here, there = History(), History()
    here.tell = there.heard
    there.tell = here.heard
    towns = Town(history=here), Town(history=there)
    for number in range(200):
        town = towns[number % 2]
        town.now = number * 5.0
        town.walked += town.opens(f"172.0.{number % 100}.9", f"/a/{number}", passes=False, **TYPED)
    assert sum(town.walked for town in towns) == LEAKS
    assert not towns[0].opens("198.51.100.1", "/a/x", passes=True, **TYPED)
    assert towns[1].opens("198.51.100.1", "/a/y", passes=True, **TYPED)


def test_it_is_challenged_and_not_refused():
    """With all that is held against newcomers besides, and what is odd about how they write: a browser gets past it."""
    assert SIGNALS[SIGN].weight >= 60
    others = ("always-typed", "foreign-header-order")
    assert SIGNALS[SIGN].weight + sum(SIGNALS[other].weight for other in others) < 100


def test_a_browser_of_a_crowd_that_walks_gets_past_the_challenge_and_is_told_why(default_policy):
    def asked(path, address):
        return Request.of(path, headers={**CHROME, **TYPED}, host="site.example", peer=address)

    behaviour = Behaviour(browsers=BrowserHeaders(()), history=History(), ledger=Ledger())
    guard = Guard(default_policy, behaviour=behaviour, monotonic=lambda: 100.0)
    decisions = [guard.assess(asked(f"/{n}", f"198.{n}.0.1")) for n in range(100)]
    assert {decision.action for decision in decisions[:LEAKS]} == {Action.ALLOW}
    assert {decision.action for decision in decisions[LEAKS:]} == {Action.CHALLENGE}
    assert [reason.signal for reason in decisions[-1].reasons] == [SIGN]
    key = guard.client_key(asked("/99", "198.99.0.1"), "198.99.0.1")
    behaviour.ledger.note(key, Deed.LOADED_STYLE, 100.0)
    behaviour.history.passed(key, "site.example", 100.0)
    assert guard.assess(asked("/99", "198.99.0.1")).action is Action.ALLOW
    assert guard.assess(asked("/98", "198.98.0.1")).action is Action.CHALLENGE


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(-5, 2**33), st.integers(0, 2**32), st.booleans(), st.floats(0, 1e5)),
        max_size=200,
    )
)
def test_nothing_that_is_told_does_harm(steps):
    walks, conducts = Walks(), {}
    for who, place, fingerprint, passes, now in steps:
        key = ClientKey(f"10.0.{who % 4}.{who}", b"A", None)
        conduct = conducts.setdefault(who, Conduct(key, now))
        conduct.opened(place % 1024, now, False)
        conduct.fingerprint = fingerprint
        walks.opened(place, conduct, now)
        if passes:
            walks.passed(conduct, now)
        assert len(conduct.crowds) in (0, 3)
        assert place or not conduct.crowds or conduct.marks > 1
