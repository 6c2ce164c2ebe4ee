"""robots.txt (RFC 9309), derived from the policy: what an agent is refused there is what it would be refused here.

Rules of a policy come in an order and the first match decides; in robots.txt the longest pattern decides, and of two
equal ones Allow. Where the two orders differ, the earlier pattern is padded with `*`, which changes its length and not
its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

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
from scrapeguard.core.decision import Action
from scrapeguard.core.engine import standing_verdict
from scrapeguard.core.facts import Facts, View, identity_of
from scrapeguard.core.identity import Identity
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.request import Request
from scrapeguard.core.sharing import NO_PATHS, RefusedPaths
from scrapeguard.core.signals import Evidence
from scrapeguard.core.useragent import Claim

ANY_BOT = Claim(Purpose.OTHER_BOT, "any bot", (), (Evidence("declared-bot", ""),))
"""The claim of a robot that no list knows, for which the group `*` speaks."""

# What a robot is asked about: who it is, where it goes, and that it wants to GET.
_KNOWN_OF_A_ROBOT = AgentIs | OperatorIs | PurposeIs | IdentityIs | HostIs | MethodIs
_FOR_NOW = frozenset({Action.THROTTLE, Action.CHALLENGE})
"""Actions of which robots.txt knows nothing: the page is there, only not at once."""
_EVERYTHING = "/"
_SHORTEST = len("Disallow: /x/\n")
_LETTERS = "/=&+,;:@!()'~-._[]|$"
"""What of a path stands for itself beside letters and digits."""

MAX_REFUSED_SIZE = 128 * 1024
"""Octets that the paths whose authors refuse AI may take of the 500 KiB that crawlers read, in all groups together."""


class Line(NamedTuple):
    """One rule of a group."""

    allowed: bool
    pattern: str

    def __str__(self) -> str:
        return f"{'Allow' if self.allowed else 'Disallow'}: {self.pattern}"


class Group(NamedTuple):
    """The product tokens of a group, and its rules; the earlier win, and are made long enough for it when written."""

    tokens: tuple[str, ...]
    lines: tuple[Line, ...]


_CLOSED = (Line(False, _EVERYTHING),)


def groups(
    site: SitePolicy,
    catalogue: Catalogue,
    host: str = "",
    refused: RefusedPaths = NO_PATHS,
    room: int = MAX_REFUSED_SIZE,
    closed: tuple[str, ...] = (),
) -> tuple[Group, ...]:
    """The groups that say what the site refuses: agents with rules of their own first, then `*` where it has any.

    An agent whose rules are those of everybody gets no group, since `*` speaks to it already. The paths whose authors
    refuse AI stand in the groups of agents that may read the rest, as many as fit into so many octets (`room`). What is
    `closed` is refused to every robot.
    """
    work = _Lines(site, host, closed)
    everybody = work.of(ANY_BOT)
    tokens_by_lines: dict[tuple[tuple[Line, ...], bool], list[str]] = {}
    for agent in catalogue.agents:
        if agent.token is not None:
            claim = claim_of(agent)
            lines = work.of(claim)
            by_author = bool(refused.patterns) and claim.serves_ai and lines != _CLOSED
            if lines != everybody or by_author:
                tokens_by_lines.setdefault((lines, by_author), []).append(agent.token)
    kept = _within(room // max(sum(by_author for _, by_author in tokens_by_lines), 1), refused.patterns)
    own = [
        Group(tuple(sorted(tokens, key=str.lower)), (*kept, *lines) if by_author else lines)
        for (lines, by_author), tokens in tokens_by_lines.items()
    ]
    own.sort(key=lambda group: (-len(group.tokens), group.tokens))
    return (*own, Group(("*",), everybody)) if everybody else tuple(own)


def _within(room: int, patterns: Iterable[str]) -> list[Line]:
    """Refusals of the patterns, as many as fit into so many octets."""
    lines = []
    for pattern in patterns:
        line = Line(False, written(pattern))
        size = len(str(line)) + 1
        if size <= room:
            room -= size
            lines.append(line)
        if room < _SHORTEST:
            break
    return lines


class _Lines:
    """What robots are told, worked out once for all that are alike to the policy: there may be thousands of lines.

    A rule that robots.txt cannot express is left out, or said as far as its paths go (`unsaid_rules`).
    """

    def __init__(self, site: SitePolicy, host: str, closed: tuple[str, ...] = ()) -> None:
        self._site = site
        self._closed = [Line(False, written(path)) for path in closed]
        self._host = host
        self._alike: dict[tuple[Hashable, ...], tuple[Line, ...]] = {}

    def of(self, claim: Claim) -> tuple[Line, ...]:
        """The lines for a robot with this claim; empty where it may fetch everything."""
        site = self._site
        said, refused = self._by_rules(claim)
        words = tuple((site.by_name.get(a.name), site.by_operator.get(a.operator or "")) for a in claim.agents)
        score = sum(site.weights[evidence.signal] for evidence in claim.evidence)
        key = (tuple(said), refused, claim.purpose, claim.purposes, words, score)
        lines = self._alike.get(key)
        if lines is None:
            lines = self._alike[key] = self._finished(claim, score, said, refused=refused)
        return lines

    def _by_rules(self, claim: Claim) -> tuple[list[Line], bool | None]:
        """What the rules say, and whether one of them says it of all that remains."""
        view = View(Facts(Request(host=self._host), claim, _genuine(claim)), 0)
        lines = [*self._closed]
        for rule in self._site.rules:
            if rule.action in _FOR_NOW:
                continue
            settled = settle(rule.when, view)
            if settled is True:
                return lines, rule.action.refuses
            lines.extend(Line(not rule.action.refuses, written(text)) for text in _paths_of(settled))
        return lines, None

    def _finished(self, claim: Claim, score: int, said: list[Line], *, refused: bool | None) -> tuple[Line, ...]:
        if refused is not None:
            return _finish(said, refused=refused)
        site = self._site
        lines = list(said)
        for pattern, sharing in site.by_path.entries:
            refused = standing_verdict(site, claim, score, sharing).action.refuses
            if written(pattern.text) == _EVERYTHING:
                return _finish(lines, refused=refused)
            lines.append(Line(not refused, written(pattern.text)))
        return _finish(lines, refused=standing_verdict(site, claim, score).action.refuses)


def unsaid_rules(site: SitePolicy, catalogue: Catalogue) -> tuple[str, ...]:
    """The rules that robots.txt cannot express, or only in part, for some agent."""
    claims = [ANY_BOT, *map(claim_of, catalogue.agents)]
    views = [View(Facts(Request(), claim, _genuine(claim)), 0) for claim in claims]
    lasting = (rule for rule in site.rules if rule.action not in _FOR_NOW)
    return tuple(rule.name for rule in lasting if any(not _is_said(settle(rule.when, view)) for view in views))


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
    """A pattern as robots.txt needs it, meaning what it means here.

    Escapes are undone and made anew, since paths are compared without them; what would end the line or begin a comment
    is escaped, and so is a star that is a letter. Stars that change nothing are left out: each counts as an octet.
    """
    anchored = pattern.endswith("$")
    path, mark, query = pattern.removesuffix("$").partition("?")
    literal = "*".join(quote(unquote(piece), safe=_LETTERS) for piece in path.split("*"))
    whole = re.sub(r"\*{2,}", "*", literal + mark + quote(query, safe=_LETTERS + "*?%"))
    if anchored:
        return whole + "$"
    whole = whole.rstrip("*") or "/"
    return whole[:-1] + "%24" if whole.endswith("$") else whole


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


def _genuine(claim: Claim) -> Identity:
    """How sure it is that a robot is who it says, once it has been checked: robots.txt is read by the true ones."""
    checked = any(agent.verify.ranges or agent.verify.dns for agent in claim.agents)
    return Identity.VERIFIED if checked else identity_of(claim)


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
