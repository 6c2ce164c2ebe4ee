"""Machines that no site wants to lose. What they were refused stands in the record; they do not wait or ask again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import httpx

from bench.arena.addresses import HOME
from bench.arena.site import API, FEED
from bench.arena.visit import Visit

Machine = Callable[[Visit], None]


def poller(user_agent: str, paths: Sequence[str] = (FEED,), *, every: float = 1800.0, times: int = 48) -> Machine:
    """Asks for the same few paths again and again, and only for what has changed (RFC 9110 §13)."""

    def run(visit: Visit) -> None:
        known: dict[str, str] = {}
        with _client(user_agent) as client:
            for _ in range(times):
                for path in paths:
                    headers = {"If-None-Match": known[path]} if path in known else {}
                    answer = client.get(visit.base + path, headers=headers)
                    known[path] = answer.headers.get("etag", "")
                visit.advance(every)

    return run


def feed_reader(user_agent: str) -> Machine:
    """Polls the feed, and fetches the articles that are new in it for those who read them in full."""

    def run(visit: Visit) -> None:
        poller(user_agent, times=12)(visit)
        preview(user_agent, count=10, every=1.0)(visit)

    return run


def monitor(user_agent: str) -> Machine:
    """Looks every minute whether the front page and one article are there, without asking for them whole."""

    def run(visit: Visit) -> None:
        with _client(user_agent) as client:
            for _ in range(180):
                client.get(visit.base + "/")
                client.get(visit.base + visit.pages[0])
                visit.advance(60.0)

    return run


def preview(user_agent: str, count: int = 20, every: float = 120.0, address: str = HOME) -> Machine:
    """Fetches an article now and then, as somebody posts a link to it."""

    def run(visit: Visit) -> None:
        with _client(user_agent, address) as client:
            for path in visit.dice.sample(visit.pages, k=min(count, len(visit.pages))):
                client.get(visit.base + path)
                visit.advance(every)

    return run


def engine(user_agent: str, address: str) -> Machine:
    """A search engine at its own address: robots.txt first, then a page every few seconds."""

    def run(visit: Visit) -> None:
        with _client(user_agent, address) as client:
            client.get(visit.base + "/robots.txt")
            for path in visit.dice.sample(visit.pages, k=min(120, len(visit.pages))):
                client.get(visit.base + path)
                visit.advance(5.0)

    return run


def api_client(*command: str) -> Machine:
    """A script that asks the API of the site, a process each."""

    def run(visit: Visit) -> None:
        for number in range(60):
            path = f"{API}/{number}" if 0 < number < min(50, len(visit.pages)) else API
            subprocess.run([*command, visit.base + path], capture_output=True, timeout=30, cwd=visit.folder)
            visit.advance(2.0)

    return run


def _client(user_agent: str, address: str = HOME) -> httpx.Client:
    headers = {"User-Agent": user_agent, "Accept": "*/*"}
    return httpx.Client(headers=headers, transport=httpx.HTTPTransport(local_address=address), timeout=20.0)
