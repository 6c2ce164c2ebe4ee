"""A crowd of readers who all have the same browser: they come by what is linked and popular, and read on from there."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable
from http.client import HTTPConnection
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from bench.arena.addresses import spread
from bench.arena.clients.identities import CHROME, Headers
from bench.arena.visit import Answer, Visit

_PARTS = {"/static/site.css": "style", "/static/site.js": "script", "/favicon.ico": "image"}
_LINK = re.compile(r'<a href="([^"]+)"')
_PICTURE = re.compile(r'<img src="([^"]+)"')
_STYLE = re.compile(r'<link rel="stylesheet" href="(/\.well-known/[^"]+)"')
_GO_ON = re.compile(r'http-equiv="refresh" content="1; url=([^"]+)"')
_BY_SEARCH, _BY_FRONT_PAGE = 0.4, 0.3
_MORE_PAGES = 3.0
_SPAN = 3600.0


class _Step(NamedTuple):
    """When who opens a page."""

    at: float
    who: int


def crowd(visit: Visit, *, count: int = 500) -> None:
    """So many readers within an hour, each at an address of its own, for some pages; popularity is as Zipf found it."""
    dice = visit.dice
    ways = list(accumulate(1 / (place + 1) for place in range(len(visit.pages))))
    pages = dice.sample(visit.pages, k=len(visit.pages))
    readers = [
        _Reader(visit, address, lambda: pages[bisect(ways, dice.random() * ways[-1])])
        for address in spread(count, per_network=3)
    ]
    now = 0.0
    for at, who in sorted(_steps(visit, count)):
        visit.advance(at - now)
        now = at
        readers[who].step()
    for reader in readers:
        reader.close()


def _steps(visit: Visit, count: int) -> list[_Step]:
    steps = []
    for who in range(count):
        at = visit.dice.uniform(0, _SPAN)
        steps.append(_Step(at, who))
        for _ in range(int(visit.dice.expovariate(1 / _MORE_PAGES))):
            at += visit.dice.uniform(5, 90)
            steps.append(_Step(at, who))
    return steps


class _Reader:
    """One reader with a browser of which all that matters here is done by hand.

    Args:
        visit: whose time passes, and who is told what never came.
        address: loopback address.
        popular: chooses a page as people do.
    """

    def __init__(self, visit: Visit, address: str, popular: Callable[[], str]) -> None:
        self._visit = visit
        self._popular = popular
        url = urlsplit(visit.base)
        self._connection = HTTPConnection(url.hostname or "", url.port, timeout=20, source_address=(address, 0))
        self._cached: set[str] = set()
        self._at = ""
        self._links: list[str] = []

    def step(self) -> None:
        """Open the first page, or one more."""
        path, headers = self._onward() if self._at else self._first()
        answer = self._through(path, headers)
        if answer.status != 200:
            self._visit.lost.append(path)
            return
        self._at = path
        self._links = [link for link in _LINK.findall(answer.text) if link.startswith("/")]
        for part in [*_PARTS, *_PICTURE.findall(answer.text)]:
            if part not in self._cached:
                self._cached.add(part)
                self._ask(part, self._of_part(path, _PARTS.get(part, "image")))

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _first(self) -> tuple[str, Headers]:
        dice = self._visit.dice.random()
        if dice < _BY_SEARCH:
            return self._choose(), {**CHROME, "Sec-Fetch-Site": "cross-site", "Referer": "https://search.example/"}
        return "/" if dice < _BY_SEARCH + _BY_FRONT_PAGE else self._choose(), CHROME

    def _onward(self) -> tuple[str, Headers]:
        dice = self._visit.dice
        path = dice.choice(self._links) if self._links and dice.random() < 0.5 else self._choose()
        return path, {**CHROME, "Sec-Fetch-Site": "same-origin", "Referer": self._visit.base + self._at}

    def _choose(self) -> str:
        return self._popular()

    def _through(self, path: str, headers: Headers) -> Answer:
        """The page, past a challenge if there is one, as every browser gets past it."""
        answer = self._ask(path, headers)
        style, way = _STYLE.search(answer.text), _GO_ON.search(answer.text)
        if answer.status != 403 or style is None or way is None:
            return answer
        self._ask(style[1].replace("&amp;", "&"), self._of_part(path, "style"))
        self._visit.advance(1.0)
        return self._ask(way[1].replace("&amp;", "&"), {**headers, "Referer": self._visit.base + path})

    def _of_part(self, path: str, kind: str) -> Headers:
        said = {"Referer": self._visit.base + path, "Accept": "*/*", "Sec-Fetch-Site": "same-origin"}
        return {**CHROME, **said, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": kind}

    def _ask(self, path: str, headers: Headers) -> Answer:
        self._connection.request("GET", path, headers={**headers, "Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        target = answer.headers.get("location")
        if answer.status in (302, 303) and target:
            return self._ask(urljoin(path, target), headers)
        return Answer(answer.status, text)
