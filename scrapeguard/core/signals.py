"""The signals: named evidence that something is odd about a request, and what each weighs.

A signal never decides alone by being there. Its weight adds to the score, the owner maps scores to actions
(`thresholds:`), and a weight of 0 makes a signal informative only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Signal(NamedTuple):
    """One kind of evidence: its default weight and what it means, in the owner's words."""

    weight: int
    meaning: str


SIGNALS: dict[str, Signal] = {
    "declared-agent": Signal(0, "the User-Agent names an agent of the catalogue"),
    "declared-bot": Signal(0, "the User-Agent says it is a bot that no list knows"),
    "no-user-agent": Signal(10, "there is no User-Agent, or nothing in it that could be read"),
    "spoofed-identity": Signal(100, "the User-Agent names an agent whose operator does not vouch for the address"),
    "fabricated-user-agent": Signal(40, "the User-Agent names a browser version that was never released"),
    "no-accept-language": Signal(40, "a page is opened without Accept-Language, which the browser named sends"),
    "no-compression": Signal(20, "a page is opened without gzip in Accept-Encoding, which the browser named sends"),
    "no-sec-fetch": Signal(60, "a page is opened without Sec-Fetch-*, which the browser named sends"),
    "incomplete-sec-fetch": Signal(45, "some of Sec-Fetch-* are there and some are not, which no browser does"),
    "no-client-hints": Signal(45, "a page is opened without Sec-CH-UA, which the browser named sends"),
    "foreign-client-hints": Signal(60, "Sec-CH-UA speaks of another browser than the User-Agent"),
    "foreign-header-order": Signal(10, "a page is opened with its headers in another order than the browser named has"),
    "impossible-header": Signal(45, "a page is opened with a header that the browser named has no way to send"),
    "old-http": Signal(10, "a page is opened over HTTP/1.0, and other browsers come over a newer one"),
    "robots-broken": Signal(100, "the client read robots.txt and asks for what it refuses"),
    "trap-followed": Signal(100, "the client followed a link that no person sees, and that robots.txt refuses to all"),
    "trap-guessed": Signal(40, "the client went to a path that only robots.txt names, to refuse it to all"),
    "challenge-ignored": Signal(60, "the client was challenged again and again, and never loaded what a browser loads"),
    "trap-shared": Signal(60, "a trap that was handed to the client was followed from another address"),
    "no-styles": Signal(45, "pages are opened, and nothing of the styles and scripts that the site has for them"),
    "nothing-but-pages": Signal(20, "pages are opened, and nothing at all that belongs to them"),
    "many-addresses": Signal(60, "many clients that have something in common take pages alone, hardly two the same"),
    "walks-together": Signal(60, "many clients that have something in common share the site out, each page once"),
    "pages-at-once": Signal(60, "a dozen pages come at once, and nothing that belongs to them in between"),
    "hurried-clicks": Signal(60, "page after page is left by a link before anybody could have looked at it"),
    "always-typed": Signal(20, "page after page comes as if its address had been typed (Sec-Fetch-Site: none)"),
    "never-follows-links": Signal(60, "a long row of different pages, and none of them opened by a link"),
    "whole-site": Signal(60, "more different pages within an hour than anybody reads"),
    "steady-pace": Signal(40, "page after page comes with the same pause in between"),
    "steady-clicks": Signal(60, "page after page is clicked on with the same pause in between"),
    "many-misses": Signal(20, "half of the pages asked for are not there"),
    "surveys-site": Signal(
        20, "a browser that reads robots.txt or a sitemap, or asks for a page by HEAD, and then reads pages"
    ),
    "many-pages-a-minute": Signal(15, "more pages a minute than people read, and nothing that belongs to them"),
    "many-pages-an-hour": Signal(15, "more different pages an hour than people read, and nothing that belongs to them"),
    "headless-browser": Signal(45, "the User-Agent names a browser that runs without a window"),
    "headless-reads-on": Signal(60, "a browser that runs without a window opens one page after the other"),
}


PROOFS = frozenset({"spoofed-identity", "robots-broken", "trap-followed", "challenge-ignored"})
"""Signals that show that a client does not obey, whatever else may be said for it."""


class Evidence(NamedTuple):
    """A signal that was seen, and what was seen."""

    signal: str
    detail: str
    percent: int = 100
    """How much of its weight it has; less, the longer it is ago."""

    def weight(self, weights: Mapping[str, int]) -> int:
        """What it weighs where its signal weighs that."""
        return weights[self.signal] * self.percent // 100
