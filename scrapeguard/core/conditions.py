"""The conditions of a rule, and the anchors by which rules are found without trying them all.

A condition answers two questions: does it hold for a request (`matches`), and does it surely hold wherever another one
does (`covers`, which says False where that is hard to tell).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from scrapeguard.core.address import Network, NetworkMap
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.facts import View
from scrapeguard.core.glob import Glob, PathPattern, word_pattern
from scrapeguard.core.identity import Identity
from scrapeguard.core.rates import Rate


class AnchorKind(IntEnum):
    """By what a rule can be looked up; the lower, the fewer requests it comes up for."""

    AGENT = 0
    OPERATOR = 1
    HOST = 2
    NETWORK = 3
    PATH = 4
    PURPOSE = 5


class Anchor(NamedTuple):
    """Something a request must have for a condition to hold: a name, a network, or what its path begins with."""

    kind: AnchorKind
    key: str | Network


class Condition(Protocol):
    """What must hold of a request."""

    def matches(self, view: View) -> bool:
        """Whether it holds for this request."""

    def covers(self, other: Condition) -> bool:
        """Whether it surely holds wherever the other does."""

    def anchors(self) -> tuple[Anchor, ...]:
        """One of these is true of every request it holds for; empty where nothing can be said."""


@dataclass(frozen=True, slots=True)
class PathIs:
    """The path and query match one of the patterns, which read as in robots.txt."""

    patterns: tuple[PathPattern, ...]

    def matches(self, view: View) -> bool:
        target = view.target
        return any(pattern.matches(target) for pattern in self.patterns)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, PathIs) and all(any(p.covers(o) for p in self.patterns) for o in other.patterns)

    def anchors(self) -> tuple[Anchor, ...]:
        prefixes = [pattern.glob.prefix for pattern in self.patterns]
        return tuple(Anchor(AnchorKind.PATH, p) for p in prefixes) if all(len(p) > 1 for p in prefixes) else ()


@dataclass(frozen=True, slots=True)
class MethodIs:
    """The method is one of these (upper case)."""

    methods: frozenset[str]

    def matches(self, view: View) -> bool:
        return view.facts.request.method in self.methods

    def covers(self, other: Condition) -> bool:
        return isinstance(other, MethodIs) and self.methods >= other.methods

    def anchors(self) -> tuple[Anchor, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class HostIs:
    """The host is one of these names; `*.example.org` stands for every name below."""

    hosts: tuple[str, ...]
    _globs: tuple[Glob, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_globs", tuple(map(word_pattern, self.hosts)))

    def matches(self, view: View) -> bool:
        host = view.host
        return any(glob.matches(host) for glob in self._globs)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, HostIs) and set(self.hosts) >= set(other.hosts)

    def anchors(self) -> tuple[Anchor, ...]:
        if any("*" in host for host in self.hosts):
            return ()
        return tuple(Anchor(AnchorKind.HOST, host.lower()) for host in self.hosts)


@dataclass(frozen=True, slots=True)
class HeaderIs:
    """A line of this header has one of these values (any case, `*` for any run of characters)."""

    name: str
    values: tuple[str, ...]
    _globs: tuple[Glob, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_globs", tuple(map(word_pattern, self.values)))

    def matches(self, view: View) -> bool:
        lines = [value.lower() for value in view.facts.request.header(self.name)]
        return any(glob.matches(line) for glob in self._globs for line in lines)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, HeaderIs) and self.name == other.name and set(self.values) >= set(other.values)

    def anchors(self) -> tuple[Anchor, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class AgentIs:
    """The client names one of these agents, among others perhaps."""

    names: frozenset[str]

    def matches(self, view: View) -> bool:
        return any(agent.name in self.names for agent in view.facts.claim.agents)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, AgentIs) and self.names >= other.names

    def anchors(self) -> tuple[Anchor, ...]:
        return tuple(Anchor(AnchorKind.AGENT, name) for name in sorted(self.names))


@dataclass(frozen=True, slots=True)
class OperatorIs:
    """The client names an agent of one of these operators."""

    operators: frozenset[str]

    def matches(self, view: View) -> bool:
        return any(agent.operator in self.operators for agent in view.facts.claim.agents)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, OperatorIs) and self.operators >= other.operators

    def anchors(self) -> tuple[Anchor, ...]:
        return tuple(Anchor(AnchorKind.OPERATOR, name) for name in sorted(self.operators))


@dataclass(frozen=True, slots=True)
class PurposeIs:
    """The client fetches for one of these purposes, by what it says of itself."""

    purposes: frozenset[Purpose]

    def matches(self, view: View) -> bool:
        return not self.purposes.isdisjoint(view.facts.claim.purposes)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, PurposeIs) and self.purposes >= other.purposes

    def anchors(self) -> tuple[Anchor, ...]:
        return tuple(Anchor(AnchorKind.PURPOSE, purpose) for purpose in sorted(self.purposes))


@dataclass(frozen=True, slots=True)
class IdentityIs:
    """How sure it is who the client is."""

    identities: frozenset[Identity]

    def matches(self, view: View) -> bool:
        return view.facts.identity in self.identities

    def covers(self, other: Condition) -> bool:
        return isinstance(other, IdentityIs) and self.identities >= other.identities

    def anchors(self) -> tuple[Anchor, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class InNetwork:
    """The client's address lies in one of these networks."""

    networks: frozenset[Network]
    _map: NetworkMap[None] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_map", NetworkMap((network, None) for network in self.networks))

    def matches(self, view: View) -> bool:
        return bool(self._map.lookup(view.address))

    def covers(self, other: Condition) -> bool:
        return isinstance(other, InNetwork) and self.networks >= other.networks

    def anchors(self) -> tuple[Anchor, ...]:
        return tuple(Anchor(AnchorKind.NETWORK, network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class HasSignal:
    """One of these signals was seen."""

    signals: frozenset[str]

    def matches(self, view: View) -> bool:
        return any(evidence.signal in self.signals for evidence in view.facts.evidence)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, HasSignal) and self.signals >= other.signals

    def anchors(self) -> tuple[Anchor, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class ScoreAtLeast:
    """The weights of the signals add up to this or more."""

    score: int

    def matches(self, view: View) -> bool:
        return view.score >= self.score

    def covers(self, other: Condition) -> bool:
        return isinstance(other, ScoreAtLeast) and self.score <= other.score

    def anchors(self) -> tuple[Anchor, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class RateAbove:
    """The client asks more often than this."""

    rate: Rate

    def matches(self, view: View) -> bool:
        return view.facts.rates.get(self.rate.seconds, 0.0) > self.rate.requests

    def covers(self, other: Condition) -> bool:
        if not isinstance(other, RateAbove):
            return False
        return self.rate.seconds == other.rate.seconds and self.rate.requests <= other.rate.requests

    def anchors(self) -> tuple[Anchor, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of these hold; with none given it always does."""

    conditions: tuple[Condition, ...] = ()

    def matches(self, view: View) -> bool:
        return all(condition.matches(view) for condition in self.conditions)

    def covers(self, other: Condition) -> bool:
        return all(surely_holds(condition, other) for condition in self.conditions)

    def anchors(self) -> tuple[Anchor, ...]:
        choices = [anchors for condition in self.conditions if (anchors := condition.anchors())]
        return min(choices, key=_selectivity, default=())


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of these holds, or more."""

    conditions: tuple[Condition, ...]

    def matches(self, view: View) -> bool:
        return any(condition.matches(view) for condition in self.conditions)

    def covers(self, other: Condition) -> bool:
        return self == other or any(surely_holds(condition, other) for condition in self.conditions)

    def anchors(self) -> tuple[Anchor, ...]:
        choices = [condition.anchors() for condition in self.conditions]
        return tuple(anchor for anchors in choices for anchor in anchors) if all(choices) else ()


@dataclass(frozen=True, slots=True)
class Negation:
    """This does not hold."""

    condition: Condition

    def matches(self, view: View) -> bool:
        return not self.condition.matches(view)

    def covers(self, other: Condition) -> bool:
        return self == other

    def anchors(self) -> tuple[Anchor, ...]:
        return ()


def rates_of(condition: Condition) -> Iterator[Rate]:
    """The rates that a condition asks for."""
    match condition:
        case RateAbove(rate):
            yield rate
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from rates_of(part)
        case Negation(inner):
            yield from rates_of(inner)


def names_path(condition: Condition) -> bool:
    """Whether a condition speaks of paths anywhere in it."""
    match condition:
        case PathIs():
            return True
        case AllOf(parts) | AnyOf(parts):
            return any(map(names_path, parts))
        case Negation(inner):
            return names_path(inner)
    return False


def surely_holds(condition: Condition, other: Condition) -> bool:
    """Whether a condition holds wherever the other does: because it covers it, or a part that must hold with it."""
    parts: Iterable[Condition] = other.conditions if isinstance(other, AllOf) else (other,)
    return condition.covers(other) or any(condition.covers(part) for part in parts)


def _selectivity(anchors: tuple[Anchor, ...]) -> int:
    return max(anchor.kind for anchor in anchors)
