"""How long does it take to tell what a never-seen User-Agent is?

How to read it: each contestant gets the same texts, every one made new by a number at its end, so that no memory of
earlier answers helps; most peers remember what they see, and `scrapeguard, and remember it` does so too. The peers
answer less: bot or not, or AI or not; and ua-parser names the browser, compiled if it came as `ua-parser[regex]`. The
regex is what one writes first, all names of the catalogue as one alternation; on agents it stops where the first name
matches, on browsers it tries every name everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count

import crawlerdetect
import crawleruseragents
import is_crawler
import ua_parser

from bench.report import Row, micro
from bench.timing import Task, calls, fastest
from scrapeguard.core.catalogue import Catalogue, Purpose
from scrapeguard.core.useragent import UserAgentClassifier
from scrapeguard.rulefile.audience import load_audience
from scrapeguard.rulefile.catalogue import load_catalogue

AI_TAGS = ("ai-crawler", "ai-fetcher")
"""By these is-crawler knows what serves AI."""

OURS = "scrapeguard"
REGEX = "one regex of all names"
MOST_SECONDS = 10e-6
LEAST_RATIO = 100.0
_ROUNDS = 5
_number = count(10_000)


def run() -> list[Row]:
    catalogue = load_catalogue()
    rows = []
    for kind, texts in corpora(catalogue).items():
        seconds = fastest(_contestants(catalogue, texts), _ROUNDS)
        rows += [_row(kind, name, seconds) for name in seconds]
    return rows


def corpora(catalogue: Catalogue) -> dict[str, list[str]]:
    """User-Agents of browsers, and those of agents of all kinds; about as many of each."""
    audience = load_audience()
    examples = [agent.example for agent in catalogue.agents if agent.example]
    return {
        "browser": [text for purpose, text in audience if purpose is Purpose.BROWSER] * 4,
        "agent": [text for purpose, text in audience if purpose is not Purpose.BROWSER] + examples,
    }


def never_seen(texts: Iterable[str]) -> list[str]:
    """The texts, each with a number at its end that no text had before."""
    return [f"{text} {next(_number)}" for text in texts]


def never_seen_octets(texts: Iterable[str]) -> list[bytes]:
    """The same as a server hands them over."""
    return [text.encode("latin-1", "replace") for text in never_seen(texts)]


def _contestants(catalogue: Catalogue, texts: list[str]) -> dict[str, Task]:
    names = [name for agent in catalogue.agents for name in agent.match]
    resolver = "in Python" if ua_parser.RegexResolver is None else "compiled"
    peers: dict[str, Callable[[str], object]] = {
        REGEX: re.compile("|".join(map(re.escape, names)), re.IGNORECASE).search,
        "is-crawler, bot or not": is_crawler.is_crawler,
        "is-crawler, AI or not": partial(is_crawler.crawler_has_tag, tags=AI_TAGS),
        "crawlerdetect": crawlerdetect.CrawlerDetect().is_crawler,
        "crawler-user-agents": crawleruseragents.is_crawler,
        f"ua-parser, {resolver}": ua_parser.parse_user_agent,
    }
    octets = partial(never_seen_octets, texts)
    ours = {
        OURS: calls(UserAgentClassifier(catalogue).classify, octets),
        f"{OURS}, and remember it": calls(UserAgentClassifier(catalogue).claim, octets),
    }
    return ours | {name: calls(function, partial(never_seen, texts)) for name, function in peers.items()}


def _row(kind: str, name: str, seconds: dict[str, float]) -> Row:
    question = f"Never-seen {kind}: {name}"
    if name == OURS:
        return Row(question, micro(seconds[OURS]), f"<= {micro(MOST_SECONDS)}", "", seconds[OURS] <= MOST_SECONDS)
    ratio = seconds[name] / seconds[OURS]
    measure = f"{ratio:.1f}x scrapeguard"
    if name == REGEX and kind == "browser":
        return Row(question, micro(seconds[name]), f">= {LEAST_RATIO:.0f}x", measure, ratio >= LEAST_RATIO)
    return Row(question, micro(seconds[name]), "", measure)
