"""robots.txt (RFC 9309), derived from the policy: what an agent is refused there is what it would be refused here.

Rules of a policy come in an order and the first match decides; in robots.txt the longest pattern decides, and of two
equal ones Allow. Where the two orders differ, the earlier pattern is padded with `*`, which changes its length and not
its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from scrapeguard.core.catalogue import Agent, Catalogue, Purpose
from scrapeguard.core.conditions import (
    AgentIs,
    AllOf,
    AnyOf,
    Condition,
    HostIs,
    IdentityIs,
    MethodIs,
    Negation,
    OperatorIs,
    PathIs,
    PurposeIs,
)
from scrapeguard.core.engine import standing_verdict
from scrapeguard.core.facts import Facts, View, identity_of
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.request import Request
from scrapeguard.core.sharing import NO_PATHS, RefusedPaths
from scrapeguard.core.signals import Evidence
from scrapeguard.core.useragent import Claim

ANY_BOT = Claim(Purpose.OTHER_BOT, "any bot", (), (Evidence("declared-bot", ""),))
"""The claim of a robot that no list knows, for which the group `*` speaks."""

# What a robot is asked about: who it is, where it goes, and that it wants to GET.
_KNOWN_OF_A_ROBOT = AgentIs | OperatorIs | PurposeIs | IdentityIs | HostIs | MethodIs
_EVERYTHING = "/"

MAX_REFUSED_SIZE = 128 * 1024
"""Octets that the paths whose authors refuse AI may take of the 500 KiB that crawlers read, in all groups together."""


class Line(NamedTuple):
    """One rule of a group."""

    allowed: bool
    pattern: str

    def __str__(self) -> str:
        return f"{'Allow' if self.allowed else 'Disallow'}: {self.pattern}"


class Group(NamedTuple):
    """The product tokens of a group, and its rules, of which the first few may be left out where there is no room."""

    tokens: tuple[str, ...]
    lines: tuple[Line, ...]
    optional: int = 0


_CLOSED = (Line(False, _EVERYTHING),)


def groups(
    site: SitePolicy, catalogue: Catalogue, host: str = "", refused: RefusedPaths = NO_PATHS
) -> tuple[Group, ...]:
    """The groups that say what the site refuses: agents with rules of their own first, then `*` where it has any.

    An agent whose rules are those of everybody gets no group, since `*` speaks to it already. The paths whose authors
    refuse AI stand in the groups of agents that may read the rest, as many as `MAX_REFUSED_SIZE` allows.
    """
    everybody = lines_for(site, ANY_BOT, host)
    tokens_by_lines: dict[tuple[tuple[Line, ...], bool], list[str]] = {}
    for agent in catalogue.agents:
        if agent.token is not None:
            claim = claim_of(agent)
            lines = lines_for(site, claim, host)
            by_author = bool(refused) and claim.serves_ai and lines != _CLOSED
            if lines != everybody or by_author:
                tokens_by_lines.setdefault((lines, by_author), []).append(agent.token)
    room = MAX_REFUSED_SIZE // max(sum(by_author for _, by_author in tokens_by_lines), 1)
    kept = _within(room, refused.patterns)
    own = [_group(tokens, lines, kept if by_author else []) for (lines, by_author), tokens in tokens_by_lines.items()]
    own.sort(key=lambda group: (-len(group.tokens), group.tokens))
    return (*own, Group(("*",), everybody)) if everybody else tuple(own)


def lines_for(site: SitePolicy, claim: Claim, host: str = "") -> tuple[Line, ...]:
    """What a robot with this claim is told; empty where it may fetch everything.

    A rule that robots.txt cannot express is left out, or said as far as its paths go (`unsaid_rules`).
    """
    view = View(Facts(Request(host=host), claim, identity_of(claim)), 0)
    score = sum(site.weights[evidence.signal] for evidence in claim.evidence)
    lines: list[Line] = []
    for rule in site.rules:
        settled = settle(rule.when, view)
        if settled is True:
            return _finish(lines, refused=rule.action.refuses)
        lines.extend(Line(not rule.action.refuses, written(text)) for text in _paths_of(settled))
    for pattern, said in site.by_path.entries:
        refused = standing_verdict(site, claim, score, said).action.refuses
        lines.append(Line(not refused, written(pattern.text)))
    return _finish(lines, refused=standing_verdict(site, claim, score).action.refuses)


def _group(tokens: list[str], lines: tuple[Line, ...], by_author: list[Line]) -> Group:
    told = tuple(padded([*by_author, *lines])) if by_author else lines
    return Group(tuple(sorted(tokens, key=str.lower)), told, len(by_author))


def _within(room: int, patterns: Iterable[str]) -> list[Line]:
    """Refusals of the patterns, as many as fit into so many octets."""
    lines = []
    for pattern in patterns:
        line = Line(False, written(pattern))
        room -= len(str(line)) + 1
        if room < 0:
            break
        lines.append(line)
    return lines


def unsaid_rules(site: SitePolicy, catalogue: Catalogue) -> tuple[str, ...]:
    """The rules that robots.txt cannot express, or only in part, for some agent."""
    claims = [ANY_BOT, *map(claim_of, catalogue.agents)]
    views = [View(Facts(Request(), claim, identity_of(claim)), 0) for claim in claims]
    return tuple(rule.name for rule in site.rules if any(not _is_said(settle(rule.when, view)) for view in views))


def _is_said(settled: Condition | bool) -> bool:
    return isinstance(settled, bool | PathIs)


def _paths_of(settled: Condition | bool) -> Iterator[str]:
    """The patterns for which a condition surely holds, as far as patterns can say it."""
    match settled:
        case PathIs(patterns):
            yield from (pattern.text for pattern in patterns)
        case AnyOf(parts):
            for part in parts:
                yield from _paths_of(part)


def written(pattern: str) -> str:
    """A pattern as robots.txt needs it: what would end the line or begin a comment is percent-encoded."""
    return quote(pattern, safe="/*$?=&%+,;:@!()'~-._[]|")


def host_key(site: SitePolicy, host: str) -> tuple[bool, ...]:
    """What of the host the groups of a site depend on: hosts of one key are told the same."""
    if not site.rules:
        return ()
    view = View(Facts(Request(host=host), ANY_BOT), 0)
    return tuple(condition.matches(view) for condition in _host_conditions(rule.when for rule in site.rules))


def _host_conditions(conditions: Iterable[Condition]) -> Iterator[HostIs]:
    for condition in conditions:
        match condition:
            case HostIs():
                yield condition
            case AllOf(parts) | AnyOf(parts):
                yield from _host_conditions(parts)
            case Negation(inner):
                yield from _host_conditions((inner,))


def settle(condition: Condition, view: View) -> Condition | bool:
    """The condition with all that is known of a robot filled in: True, False, or what is left of it."""
    match condition:
        case AllOf(conditions):
            rest = [settle(part, view) for part in conditions]
            if False in rest:
                return False
            left = [part for part in rest if not isinstance(part, bool)]
            return True if not left else left[0] if len(left) == 1 else AllOf(tuple(left))
        case AnyOf(conditions):
            return _settle_any([settle(part, view) for part in conditions])
        case Negation(inner):
            settled = settle(inner, view)
            return not settled if isinstance(settled, bool) else Negation(settled)
        case _ if isinstance(condition, _KNOWN_OF_A_ROBOT):
            return condition.matches(view)
        case _:
            return condition


def _settle_any(parts: list[Condition | bool]) -> Condition | bool:
    if True in parts:
        return True
    left = [part for part in parts if not isinstance(part, bool)]
    if not left:
        return False
    if all(isinstance(part, PathIs) for part in left):
        return PathIs(tuple(pattern for part in left if isinstance(part, PathIs) for pattern in part.patterns))
    return AnyOf(tuple(left))


def claim_of(agent: Agent) -> Claim:
    """What the agent claims when it names itself."""
    return Claim(agent.purpose, agent.name, (agent,), (Evidence("declared-agent", ""),))


def _finish(lines: list[Line], *, refused: bool) -> tuple[Line, ...]:
    """The lines in an order of lengths that keeps their order of precedence, without those that change nothing."""
    while lines and lines[-1].allowed == (not refused):
        lines = lines[:-1]
    if refused:
        lines = [*lines, Line(False, _EVERYTHING)]
    return tuple(padded(lines))


def padded(lines: Sequence[Line], *, least_disallow: int = 0) -> list[Line]:
    """The lines, each made longer than all later ones of the other kind (as long, where Allow wins the tie).

    Args:
        lines: the earlier win.
        least_disallow: the length that a Disallow line must have besides, to win against other rules of the group.
    """
    needed = {True: 0, False: least_disallow}
    result: list[Line] = []
    for allowed, pattern in reversed(lines):
        missing = needed[allowed] - len(pattern)
        if missing > 0:
            pattern = _lengthened(pattern, missing)
        result.append(Line(allowed, pattern))
        # What a line of the other kind, standing earlier, must reach to win: Allow wins a tie, Disallow does not.
        other = not allowed
        needed[other] = max(needed[other], len(pattern) + (0 if other else 1))
    return result[::-1]


def _lengthened(pattern: str, missing: int) -> str:
    """The pattern, longer by so many `*` and meaning the same; one that ends with `$` needs a `*` to put them by."""
    if not pattern.endswith("$"):
        return pattern + "*" * missing
    return pattern.replace("*", "*" * (missing + 1), 1)
