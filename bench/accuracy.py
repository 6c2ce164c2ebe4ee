"""How often is a User-Agent taken for what it is?

Needs a file of labelled User-Agents, as an argument or in BENCH_USERAGENTS: JSON lines, gzipped, with `ua` and `label`,
which is ai_crawler, search_engine, benign_bot, generic_http_library, other_bot or browser.

How to read it: a good tool has the first share near 100 % and the other two near 0 %. crawlerdetect cannot tell AI from
other bots; whoever uses it to refuse AI refuses every bot, and so it is counted. The list of names is what one writes
first: the names of the catalogue, looked for anywhere in the text. A file that the catalogue was made from flatters
scrapeguard and the list of names alike; only one that it was not made from says what they are worth.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import crawlerdetect
import is_crawler

from bench.classify import AI_TAGS
from bench.report import Row
from scrapeguard.core.catalogue import AI_PURPOSES, Catalogue, Purpose
from scrapeguard.core.policy import Policy
from scrapeguard.core.request import Request
from scrapeguard.core.useragent import UserAgentClassifier
from scrapeguard.guard import Guard
from scrapeguard.rulefile.load import load_policy

Test = Callable[[str], bool]


class Contestant(NamedTuple):
    """What one says of a text: that it is AI, that it is no browser, and whether one would refuse it to keep AI out."""

    name: str
    is_ai: Test
    is_machine: Test
    refuses: Test


def run(path: Path | None) -> list[Row]:
    if path is None:
        print("skipped: give a file of labelled User-Agents with --useragents or in BENCH_USERAGENTS\n")
        return []
    texts = read(path)
    good_bots = texts.get("search_engine", []) + texts.get("benign_bot", [])
    contestants = _contestants(load_policy())
    return [
        *(_row("AI recognised", one.name, one.is_ai, texts.get("ai_crawler", [])) for one in contestants),
        *(_row("Browsers called otherwise", one.name, one.is_machine, texts.get("browser", [])) for one in contestants),
        *(_row("Good bots refused", one.name, one.refuses, good_bots) for one in contestants),
    ]


def read(path: Path) -> dict[str, list[str]]:
    """The texts by label."""
    texts: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            texts.setdefault(row["label"], []).append(row["ua"])
    return texts


def _contestants(policy: Policy) -> list[Contestant]:
    tagged_ai = partial(is_crawler.crawler_has_tag, tags=AI_TAGS)
    detects = crawlerdetect.CrawlerDetect().is_crawler
    names_ai = _names_any(agent.match for agent in policy.catalogue.agents if agent.is_ai)
    return [
        _ours(policy),
        Contestant("is-crawler", tagged_ai, is_crawler.is_crawler, tagged_ai),
        Contestant("crawlerdetect", detects, detects, detects),
        Contestant("list of names", names_ai, _names_any_agent(policy.catalogue), names_ai),
    ]


def _ours(policy: Policy) -> Contestant:
    classifier = UserAgentClassifier(policy.catalogue)
    guard = Guard(policy, classifier=classifier)
    return Contestant(
        "scrapeguard",
        is_ai=lambda text: classifier.claim(_octets(text)).purpose in AI_PURPOSES,
        is_machine=lambda text: classifier.claim(_octets(text)).purpose is not Purpose.BROWSER,
        refuses=lambda text: guard.assess(Request(user_agent=_octets(text))).refused,
    )


def _names_any_agent(catalogue: Catalogue) -> Test:
    return _names_any(agent.match for agent in catalogue.agents)


def _names_any(matches: Iterable[tuple[str, ...]]) -> Test:
    names = [name.lower() for several in matches for name in several]
    return lambda text: any(map(text.lower().__contains__, names))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _row(question: str, name: str, test: Test, texts: list[str]) -> Row:
    hits = sum(map(test, texts))
    return Row(f"{question}: {name}", f"{hits / max(len(texts), 1):.2%}", "", f"{hits:,} of {len(texts):,}")
