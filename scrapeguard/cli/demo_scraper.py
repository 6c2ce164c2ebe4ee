"""A scraper for the demo: it follows every link, also the one that no person sees, and keeps all that it gets."""

from __future__ import annotations

import http.client
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import copy
from dataclasses import replace
from html import unescape
from itertools import groupby
from typing import Any, NamedTuple

from scrapeguard.cli.output import paint, printable, who
from scrapeguard.core.decision import Action, Decision
from scrapeguard.core.engine import TRAPS
from scrapeguard.core.policy import Policy, TrapPolicy

NAME = "greedy scraper"
REQUESTS = 40
HEADERS = {"User-Agent": "Harvester/2.1 (+https://harvester.example)", "Accept": "text/html"}
_TITLES = 5
"""How many decoys are shown by their titles."""
_LINK = re.compile(r'<a href="(/[^"]+)"')
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


class Catch(NamedTuple):
    """An answer that the scraper got."""

    path: str
    status: int
    decision: Decision | None
    body: str

    @property
    def is_decoy(self) -> bool:
        """Whether it is false."""
        return (
            self.status == 200 and self.decision is not None and self.decision.action in (Action.DECOY, Action.TARPIT)
        )

    @property
    def action(self) -> str:
        """What was decided, a dash where nothing was."""
        return "-" if self.decision is None else str(self.decision.action)

    @property
    def is_trap(self) -> bool:
        """Whether nobody but a program comes to that address."""
        return self.decision is not None and self.decision.rule == TRAPS

    @property
    def title(self) -> str:
        """The title of the page, empty where it has none."""
        found = _TITLE.search(self.body)
        return unescape(found[1]).strip() if found else ""


class Haul(NamedTuple):
    """All that it got, in its order, and how many links it still means to follow."""

    catches: list[Catch]
    left: int

    @property
    def decoys(self) -> list[Catch]:
        """The false ones."""
        return [catch for catch in self.catches if catch.is_decoy]

    @property
    def true(self) -> int:
        """How many pages of the site there are among them."""
        return sum(catch.status == 200 and not catch.is_decoy for catch in self.catches)


def with_decoys(policy: Policy) -> Policy:
    """The policy with traps and decoys, whatever it says of them, that leaves no trace outside of this process."""
    twin = copy(policy)
    twin.decoys = replace(policy.decoys, serve=True, tarpit=False, log=None)
    twin.traps = TrapPolicy(live=True, inject=True)
    twin.store = "memory"
    return twin


def scrape(host: str, port: int, decided: Callable[[], Decision | None]) -> Haul:
    """Walk the site from its front page, page by page in the order of the links.

    Args:
        host: where the site is.
        port: of the site.
        decided: tells what was decided on the request that was answered last.
    """
    catches: list[Catch] = []
    waiting, known = deque(["/"]), {"/"}
    with closing(http.client.HTTPConnection(host, port, timeout=10)) as connection:
        while waiting and len(catches) < REQUESTS:
            path = waiting.popleft()
            connection.request("GET", path, headers=HEADERS)
            response = connection.getresponse()
            body = response.read().decode("utf-8", "replace")
            catches.append(Catch(path, response.status, decided(), body))
            new = [link for link in dict.fromkeys(map(unescape, _LINK.findall(body))) if link not in known]
            known.update(new)
            waiting.extend(new)
    return Haul(catches, len(waiting))


def haul_json(haul: Haul) -> dict[str, Any]:
    """What a scraper took, in a line of JSON."""
    decoys = [{"path": catch.path, "title": catch.title} for catch in haul.decoys]
    return {
        "client": NAME,
        "requests": len(haul.catches),
        "pages": haul.true,
        "decoys": decoys,
        "links_left": haul.left,
    }


def haul_rows(haul: Haul) -> Iterator[tuple[str, str, str, str]]:
    """The rows of a scraper: the first trap, and before and after it pages that were answered alike in one row."""
    trap = next((catch for catch in haul.catches if catch.is_trap), None)
    for (status, action, _), some in groupby(haul.catches, lambda one: (one.status, one.action, one is trap)):
        catches = list(some)
        asked = "a trap" if catches[0] is trap else _pages(len(catches))
        yield asked, str(status), action, _why_caught(catches[-1].decision)


def _why_caught(decision: Decision | None) -> str:
    if decision is None:
        return "-"
    heaviest = max(decision.reasons, key=lambda reason: reason.weight, default=None)
    return f"{who(decision)}: {decision.rule}{f', {heaviest.signal}' if heaviest and heaviest.weight else ''}"


def print_haul(policy: Policy, haul: Haul) -> None:
    """Say what a scraper took, under rules that may have no decoys for it."""
    decoys = haul.decoys
    octets = sum(len(catch.body.encode()) for catch in decoys)
    took = f"{_pages(haul.true)} of the site and {_pages(len(decoys), 'false ')} ({octets / 1000:,.0f} kB)"
    print(f"\nThe greedy scraper took {paint(took, 'bold')}; {haul.left:,} links are left. Some of it:\n")
    for catch in decoys[1 :: max(len(decoys) // _TITLES, 1)][:_TITLES]:
        print(f"  {printable(catch.title)}")
    if not (policy.decoys.serve and policy.traps.inject):
        print("\nDecoys and traps were switched on for it alone: these rules have them off. Switch them on with")
        print("`decoys: {serve: on}` and `traps: {live: on, inject: on}`.")


def _pages(count: int, kind: str = "") -> str:
    return f"{count} {kind}page" if count == 1 else f"{count} {kind}pages"
