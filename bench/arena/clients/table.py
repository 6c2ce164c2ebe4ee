"""All clients: who takes part in the arena, of which group, and what it needs on the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

from bench.arena.addresses import GOOGLE, HOME, MICROSOFT, spread
from bench.arena.clients import crawlers, identities, libraries, machines, mirrors, people, readers
from bench.arena.clients.identities import BORROWED, CHROME, CHROME_UA, FIREFOX, FIREFOX_UA, POLITE, Headers
from bench.arena.clients.libraries import impersonating
from bench.arena.groups import Group
from bench.arena.site import API, FEED
from bench.arena.visit import Visit

Run = Callable[[Visit], None]
WINDOW = ("chromium", "Xvfb")


@dataclass(frozen=True)
class Client:
    """One that takes part.

    Args:
        name: of its own.
        group: what it is, and what may come of it.
        run: its visit.
        needs: what must be on the machine, as `bench.arena.tools` knows it.
        referrer: the referrer policy that the site states to it.
    """

    name: str
    group: Group
    run: Run
    needs: tuple[str, ...] = ()
    referrer: str = ""


def crawler(opened: libraries.Opened, headers: Headers, pace: float = 0.0) -> Run:
    """One address that takes page after page."""

    def run(visit: Visit) -> None:
        with opened(visit, headers) as fetch:
            visit.crawl(fetch, pace=pace)

    return run


def crowd(opened: libraries.Opened, headers: Headers, count: int, per_network: int, pace: float) -> Run:
    """One scraper behind many addresses."""

    def run(visit: Visit) -> None:
        with opened(visit, headers) as fetch:
            visit.spread(fetch, spread(count, per_network=per_network), pace=pace)

    return run


def _libraries() -> list[Client]:
    opened: Mapping[str, tuple[libraries.Opened, tuple[str, ...]]] = {
        "requests": (libraries.with_requests, ("requests",)),
        "httpx": (libraries.with_httpx, ()),
        "aiohttp": (libraries.with_aiohttp, ("aiohttp",)),
        "urllib": (libraries.with_urllib, ()),
        "curl": (libraries.with_curl, ("curl",)),
        "Node fetch": (libraries.with_node, ("node",)),
    }
    clients = []
    for name, (way, needs) in opened.items():
        clients += [
            Client(f"{name}: own name", Group.TOOL, crawler(way, {}), needs),
            Client(f"{name}: name of Chrome", Group.SPOOFED, crawler(way, BORROWED), needs),
        ]
    for name in ("requests", "aiohttp", "Node fetch"):
        way, needs = opened[name]
        clients.append(Client(f"{name}: some headers", Group.SPOOFED, crawler(way, POLITE), needs))
    for name in ("requests", "httpx", "aiohttp", "curl"):
        way, needs = opened[name]
        clients.append(Client(f"{name}: all of Chrome", Group.SPOOFED, crawler(way, CHROME), needs))
    return [
        *clients,
        Client("httpx: all of Firefox", Group.SPOOFED, crawler(libraries.with_httpx, FIREFOX)),
        Client("httpx: all of Chrome; slow", Group.SPOOFED, crawler(libraries.with_httpx, CHROME, 40.0)),
    ]


def _mirrors() -> list[Client]:
    programs = {"wget": mirrors.wget, "httrack": mirrors.httrack, "Scrapy": mirrors.scrapy}
    return [
        *(Client(f"{name}: own name", Group.TOOL, partial(run, headers={}), (name,)) for name, run in programs.items()),
        *(
            Client(f"{name}: name of Chrome", Group.SPOOFED, partial(run, headers=BORROWED), (name,))
            for name, run in programs.items()
        ),
        Client("Scrapy: all of Chrome", Group.SPOOFED, partial(mirrors.scrapy, headers=CHROME), ("Scrapy",)),
    ]


def _impersonators() -> list[Client]:
    def spoofed(name: str, opened: libraries.Opened, pace: float = 0.0) -> Client:
        return Client(f"curl_cffi: {name}", Group.SPOOFED, crawler(opened, {}, pace), ("curl_cffi",))

    return [
        spoofed("Chrome", impersonating("chrome142")),
        spoofed("Firefox", impersonating("firefox144")),
        spoofed("Safari", impersonating("safari2601")),
        spoofed("Chrome with referrers", impersonating("chrome142", reads_on=True)),
        spoofed("Chrome with referrers and styles", impersonating("chrome142", reads_on=True, styles=True)),
        spoofed("Chrome with referrers and styles; slow", impersonating("chrome142", reads_on=True, styles=True), 40.0),
        spoofed("Chrome; slow", impersonating("chrome142"), 40.0),
    ]


_BROWSERS = ("chrome142", "firefox144", "safari2601", "chrome136", "edge101", "chrome131_android")


def _crowds() -> list[Client]:
    ways: Mapping[str, tuple[libraries.Opened, Headers, tuple[str, ...]]] = {
        "httpx: all of Chrome": (libraries.with_httpx, CHROME, ()),
        "httpx: rotating": (libraries.with_httpx_rotating, {}, ()),
        "curl_cffi: Chrome": (impersonating("chrome142"), {}, ("curl_cffi",)),
        "curl_cffi: Chrome with styles": (impersonating("chrome142", styles=True), {}, ("curl_cffi",)),
        "curl_cffi: rotating with styles": (impersonating(*_BROWSERS, styles=True), {}, ("curl_cffi",)),
    }
    sizes = ((Group.SPREAD_50, 50, 4), (Group.SPREAD_500, 500, 3))
    return [
        Client(f"{name}; {count} addresses; {speed}", group, crowd(way, headers, count, per_network, pace), needs)
        for group, count, per_network in sizes
        for name, (way, headers, needs) in ways.items()
        for speed, pace in (("at once", 0.0), ("slow", 20.0))
    ]


def _browsers() -> list[Client]:
    plain, named = crawlers.playwright(), crawlers.playwright(user_agent=CHROME_UA)
    led = crawlers.playwright(headless=False, refers=True)
    window, bare = crawlers.playwright(headless=False), crawlers.playwright(headless=False, bare=True)
    fox, fox_window = crawlers.bidi(), crawlers.bidi(headless=False)
    goto, clicking = crawlers.by_goto, crawlers.by_clicking
    table = (
        ("Chromium headless: goto", goto(plain), ("chromium",)),
        ("Chromium headless: name of Chrome; goto", goto(named), ("chromium",)),
        ("Chromium headless: clicking", clicking(plain), ("chromium",)),
        ("Chromium headless: clicking; two seconds a page", clicking(plain, pace=2.0), ("chromium",)),
        ("Chromium: goto", goto(window), WINDOW),
        ("Chromium: goto with referrers", goto(led), WINDOW),
        ("Chromium: goto; slow", goto(window, pace=40.0), WINDOW),
        ("Chromium: no styles; goto", goto(bare), WINDOW),
        ("Chromium: clicking", clicking(window), WINDOW),
        ("Chromium: clicking; two seconds a page", clicking(window, pace=2.0), WINDOW),
        ("Firefox headless: goto", goto(fox), ("firefox",)),
        ("Firefox: goto", goto(fox_window), ("firefox", "Xvfb")),
        ("Firefox: clicking", clicking(fox_window), ("firefox", "Xvfb")),
    )
    return [Client(name, Group.BROWSER, run, needs) for name, run, needs in table]


def _named() -> list[Client]:
    httpx = libraries.with_httpx
    return [
        *(Client(name, Group.AI, crawler(httpx, {"User-Agent": text})) for name, text in identities.AI_AGENTS.items()),
        *(
            Client(f"false {name}", Group.FALSE_ENGINE, crawler(httpx, {"User-Agent": text}))
            for name, text in identities.ENGINES.items()
        ),
    ]


def _people() -> list[Client]:
    browsing = {
        "Chromium: reading": people.reading(),
        "Chromium: no JavaScript": people.reading("--blink-settings=scriptEnabled=false"),
        "Chromium: no images": people.reading("--blink-settings=imagesEnabled=false"),
        "Chromium: referrer off": people.reading("--no-referrers"),
        "Chromium: tabs": people.in_tabs,
        "Chromium: bookmarks": people.bookmarks,
        "Chromium: 20 tabs restored": people.restored(cold=False),
        "Chromium: 20 tabs restored; cold cache": people.restored(cold=True),
        "20 colleagues behind one address": people.office,
        "150 pages an hour": people.power_user,
        "60 pages in five minutes": people.quick,
        "40 pages of two seconds": people.leafing,
        "Chromium: by keyboard": people.by_keyboard,
        "Chromium: fetching ahead": people.fetching_ahead,
    }
    dumps = {
        "lynx": ("lynx", "-dump"),
        "w3m": ("w3m", "-dump"),
    }
    return [
        *(Client(name, Group.PERSON, run, WINDOW) for name, run in browsing.items()),
        Client("Chromium: referrer off by the site", Group.PERSON, people.reading(), WINDOW, referrer="no-referrer"),
        Client("Chromium: referrer cut by the site", Group.PERSON, people.reading(), WINDOW, referrer="origin"),
        Client("500 readers with one browser", Group.PERSON, readers.crowd),
        Client("Firefox: reading", Group.PERSON, people.firefox_reader, ("firefox", "Xvfb")),
        *(Client(name, Group.PERSON, people.dumping(*command), (name,)) for name, command in dumps.items()),
    ]


def _machines() -> list[Client]:
    kinds = (
        (identities.FEED_READERS, machines.feed_reader),
        (identities.MONITORS, machines.monitor),
        (identities.PREVIEWS, machines.preview),
    )
    named = chain.from_iterable(((name, run(text)) for name, text in texts.items()) for texts, run in kinds)
    engines = identities.ENGINES
    table = (
        *named,
        ("Googlebot of Google", machines.engine(engines["Googlebot"], GOOGLE)),
        ("bingbot of Microsoft", machines.engine(engines["bingbot"], MICROSOFT)),
        ("poller of feed and pages", machines.poller("my-poller/1.0", (FEED, "/", "/archive/1"))),
        ("feed in Firefox's name", machines.poller(FIREFOX_UA)),
        ("API client by httpx", machines.poller("python-httpx/0.28", (API,), every=5.0, times=100)),
    )
    return [
        *(Client(name, Group.MACHINE, run) for name, run in table),
        Client("curl on the API", Group.MACHINE, machines.api_client("curl", "-s", "--interface", HOME), ("curl",)),
    ]


def clients() -> list[Client]:
    """All, in the order of the table."""
    makers = (_libraries, _mirrors, _impersonators, _crowds, _browsers, _named, _people, _machines)
    everyone = list(chain.from_iterable(make() for make in makers))
    order = list(Group)
    return sorted(everyone, key=lambda client: order.index(client.group))
