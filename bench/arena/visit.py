"""What a client is given to run against a site, and what it tells afterwards."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from bench.arena.addresses import HOME

_LINK = re.compile(r"""<a\s[^>]*?href=["']([^"'#]+)""", re.IGNORECASE)
_MOST_REQUESTS = 1.5
"""Times the pages of the site: traps that lead on for ever end there."""


class Answer(NamedTuple):
    """Status and text; 0 where there was no answer."""

    status: int
    text: str


class Asked(NamedTuple):
    """One question of a crawler.

    Args:
        path: what is asked for.
        address: loopback address to ask from.
        referrer: the path of the page that led there; empty for none.
    """

    path: str
    address: str = HOME
    referrer: str = ""


Fetch = Callable[[Asked], Answer]


@dataclass
class Visit:
    """One client's visit to a site.

    Args:
        base: the URL of the site, without a slash at the end.
        pages: the paths of all pages, as a crawler knows them from elsewhere.
        dice: for whatever is left to chance.
        advance: lets seconds pass on the server's side.
        folder: for profiles and downloads; it is empty, and deleted afterwards.
        display: of an X server, for browsers with a window; empty where there is none.
    """

    base: str
    pages: Sequence[str]
    dice: random.Random
    advance: Callable[[float], object]
    folder: Path
    display: str = ""
    lost: list[str] = field(default_factory=list)
    """Pages that a person wanted and never saw."""

    def crawl(self, fetch: Fetch, *, pace: float = 0.0) -> None:
        """Ask for every page once: those that links lead to first, then the others that are known.

        Args:
            fetch: asks.
            pace: seconds between two questions.
        """
        frontier = _Frontier(self)
        for path, referrer in frontier:
            answer = fetch(Asked(path, referrer=referrer))
            frontier.learn(path, answer.text if answer.status == 200 else "")
            if pace:
                self.advance(pace)

    def spread(self, fetch: Fetch, addresses: Sequence[str], *, pace: float = 0.0) -> None:
        """Ask for every page from one address or another, and a second time from another for those refused.

        Args:
            fetch: asks.
            addresses: in turn.
            pace: seconds between two questions, of whichever addresses.
        """
        left = list(self.pages)
        turn = 0
        for _ in range(2):
            self.dice.shuffle(left)
            refused = []
            for path in left:
                answer = fetch(Asked(path, address=addresses[turn % len(addresses)]))
                turn += 1
                if answer.status != 200:
                    refused.append(path)
                if pace:
                    self.advance(pace)
            left = refused


class _Frontier:
    """The paths to ask for, each once, with the page that led there."""

    def __init__(self, visit: Visit) -> None:
        self._base = visit.base
        self._most = int(len(visit.pages) * _MOST_REQUESTS) + 50
        self._found: deque[tuple[str, str]] = deque([("/", "")])
        self._seen = {"/"}
        self._known = list(visit.pages)
        visit.dice.shuffle(self._known)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for _ in range(self._most):
            if self._found:
                yield self._found.popleft()
            elif (path := self._another()) is not None:
                yield path, ""
            else:
                return

    def learn(self, path: str, text: str) -> None:
        """Note the links of a page that was obtained."""
        for link in _LINK.findall(text):
            url = urlsplit(urljoin(self._base + path, link))
            if url.netloc == urlsplit(self._base).netloc and url.path not in self._seen:
                self._seen.add(url.path)
                self._found.append((url.path, path))

    def _another(self) -> str | None:
        while self._known:
            path = self._known.pop()
            if path not in self._seen:
                self._seen.add(path)
                return path
        return None
