"""The signals: named evidence that something is odd about a request, and what each weighs.

A signal never decides alone by being there. Its weight adds to the score, the owner maps scores to actions
(`thresholds:`), and a weight of 0 makes a signal informative only.
"""

from __future__ import annotations

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
    "no-styles": Signal(45, "pages are opened, and nothing of the styles and scripts that the site has for them"),
    "always-typed": Signal(20, "page after page comes as if its address had been typed (Sec-Fetch-Site: none)"),
    "many-pages-a-minute": Signal(15, "more pages a minute than people read, and nothing that belongs to them"),
    "many-pages-an-hour": Signal(15, "more different pages an hour than people read, and nothing that belongs to them"),
    "headless-browser": Signal(60, "the User-Agent names a browser that runs without a window"),
}


class Evidence(NamedTuple):
    """A signal that was seen, and what was seen."""

    signal: str
    detail: str
