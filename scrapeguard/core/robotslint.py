"""What is broken in a site's own robots.txt, or contradicts the policy; by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from scrapeguard.core.aipref import LABELS, preferences, robots_rule
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.robots import Group as ToldGroup
from scrapeguard.core.robots import Line as ToldLine
from scrapeguard.core.robotsfile import EVERYBODY, Group, Line, Meaning, RobotsText

_PRODUCT_TOKEN = re.compile(r"\*|[A-Za-z_-]+")
# Lines that crawlers or standards know beside the four of RFC 9309.
_EXTENSIONS = frozenset(
    "crawl-delay host clean-param request-rate visit-time noindex license content-usage content-signal".split()
)
_KNOWN = ("user-agent", "allow", "disallow", "sitemap", *sorted(_EXTENSIONS))


class Note(NamedTuple):
    """Something to know about a line (from 1)."""

    line: int
    message: str


def lint(own: RobotsText, told: Sequence[ToldGroup], site: SitePolicy) -> list[Note]:
    """Everything found, in the order of the lines.

    Args:
        own: the site's own file.
        told: what the policy tells whom.
        site: the policy.
    """
    notes = [
        *_broken_lines(own.lines),
        *_orphans(own),
        *_contradictions(own.groups, told),
        *_usage(own.lines, site),
        *_keeps_all_out(own),
    ]
    if own.groups and not own.groups[-1].rules:
        line = own.groups[-1].agents[-1]
        notes.append(Note(line.number, f"nothing is said to {line.value}: the group has no rule"))
    if own.cut:
        notes.append(
            Note(len(own.lines), "what follows is beyond 500 KiB: crawlers need not read it, and it is cut off")
        )
    return sorted(notes)


def _broken_lines(lines: Iterable[Line]) -> Iterator[Note]:
    for line in lines:
        if line.meaning is Meaning.NOTHING:
            continue
        if line.meaning is Meaning.OTHER:
            if fault := _unknown(line):
                yield Note(line.number, fault)
        elif line.meaning is Meaning.SITEMAP and not line.value.startswith(("https://", "http://")):
            yield Note(line.number, f"`{line.value}` is no sitemap to crawlers: write its whole address")
        elif line.is_rule and line.value and not line.value.startswith(("/", "*")):
            yield Note(line.number, f"`{line.value}` matches nothing: a path begins with /")
        elif line.meaning is Meaning.AGENT and not _PRODUCT_TOKEN.fullmatch(line.value):
            yield Note(line.number, f"`{line.value}` is no product token: letters, hyphens and underscores, no version")


def _unknown(line: Line) -> str | None:
    if line.google is not Meaning.OTHER and ":" not in line.text.partition("#")[0]:
        return f"no colon: only Google reads the line; write `{line.google.value.title()}: {line.value}`"
    if line.google is not Meaning.OTHER:
        return f"`{line.key}` is read as {line.google.value} by Google alone; write `{line.google.value.title()}:`"
    if ":" not in line.text.partition("#")[0]:
        return "no colon: crawlers skip the line"
    if line.key.lower() in _EXTENSIONS:
        return None
    close = get_close_matches(line.key.lower(), _KNOWN, n=1, cutoff=0.7)
    return f"`{line.key}` is unknown to crawlers" + (f"; did you mean `{close[0].title()}`?" if close else "")


def _orphans(own: RobotsText) -> Iterator[Note]:
    for line in own.preamble:
        if line.is_rule:
            yield Note(line.number, "a rule before the first User-agent line is for nobody, and is left out")


def _contradictions(groups: Iterable[Group], told: Sequence[ToldGroup]) -> Iterator[Note]:
    lines_of: dict[str, tuple[ToldLine, ...]] = {token.lower(): group.lines for group in told for token in group.tokens}
    for group in groups:
        for agent in group.agents:
            lines = lines_of.get(agent.token)
            if lines is None or agent.token == EVERYBODY:
                continue
            if not any(not line.allowed for line in lines):
                continue
            opened = [line for line in group.rules if line.meaning is Meaning.ALLOW and line.value]
            for rule in opened:
                message = f"allows {agent.value} what the policy refuses; what the policy says is served"
                yield Note(rule.number, message)
            if not opened:
                yield Note(agent.number, f"what the policy says of {agent.value} is served in place of this")


def _usage(lines: Iterable[Line], site: SitePolicy) -> Iterator[Note]:
    """Content-Usage lines that say nothing, or more than the policy allows."""
    for line in lines:
        if line.key.lower() != "content-usage":
            continue
        path, value = robots_rule(line.value)
        said = preferences(value)
        found = None if path is None else site.by_path.find(path)
        sharing = site.sharing if found is None else found.sharing
        opened = [label for use, label in LABELS.items() if said.get(label) and not sharing[use]]
        if not said:
            yield Note(line.number, f"`{value}` states no preference; write for example train-ai=n, ai-use=n")
        elif opened:
            message = f"allows {', '.join(opened)}, which the policy denies; this line is served as it stands"
            yield Note(line.number, message)


def _keeps_all_out(own: RobotsText) -> Iterator[Note]:
    for rule in own.rules_for(EVERYBODY):
        if rule.meaning is Meaning.DISALLOW and rule.value == "/":
            yield Note(rule.number, "keeps out every robot that has no group of its own, search engines too")
