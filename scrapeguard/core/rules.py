"""Ordered rules, found by what is known of a request instead of being tried one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from scrapeguard.core.address import NetworkMap
from scrapeguard.core.conditions import AnchorKind, Condition, names_path
from scrapeguard.core.decision import Action
from scrapeguard.core.facts import View
from scrapeguard.core.pathtable import PrefixIndex
from scrapeguard.core.recent import Recent
from scrapeguard.core.useragent import Claim

_MAX_CLAIMS = 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """The first rule whose condition holds decides."""

    name: str
    when: Condition
    action: Action


def _matches_unfolded(rule: Rule, view: View) -> bool:
    """Whether the rule holds for the path as it came too: `/secret/../press/` must not be let in as `/press/`."""
    unfolded = view.unfolded
    return unfolded is None or rule.when.matches(unfolded)


class RuleIndex:
    """Rules filed by an anchor: an agent, operator, purpose, host, network or the beginning of a path.

    A request is compared only with the rules filed under what it has, and with those that have no anchor.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self.of_paths = frozenset(rule.name for rule in self._rules if names_path(rule.when))
        """The names of the rules that speak of paths."""
        self._always: list[int] = []
        self._filed: dict[AnchorKind, dict[str, list[int]]] = {kind: {} for kind in AnchorKind}
        networks, paths = [], []
        for position, rule in enumerate(self._rules):
            anchors = rule.when.anchors()
            if not anchors:
                self._always.append(position)
            for kind, key in anchors:
                if isinstance(key, IPv4Network | IPv6Network):
                    networks.append((key, position))
                elif kind is AnchorKind.PATH:
                    paths.append((key, position))
                else:
                    self._filed[kind].setdefault(key, []).append(position)
        self._networks: NetworkMap[int] = NetworkMap(networks)
        self._paths = PrefixIndex(paths)
        # The same few claims come again and again.
        self._concerned: Recent[Claim, bool] = Recent(_MAX_CLAIMS)
        self._for_anybody = bool(self._always or networks or paths or self._filed[AnchorKind.HOST])

    def may_concern(self, claim: Claim) -> bool:
        """Whether a rule could match a request with this claim, wherever it goes and wherever it comes from."""
        if self._for_anybody:
            return True
        concerned = self._concerned[claim]
        if concerned is None:
            concerned = any(True for _ in self._of_claim(claim))
            self._concerned.put(claim, concerned)
        return concerned

    def first_match(self, view: View) -> Rule | None:
        """The first rule, in the owner's order, that holds for the request."""
        for position in sorted({*self._always, *self._candidates(view)}):
            rule = self._rules[position]
            if rule.when.matches(view) and (not rule.action.passes or _matches_unfolded(rule, view)):
                return rule
        return None

    def _of_claim(self, claim: Claim) -> Iterator[int]:
        filed = self._filed
        for agent in claim.agents:
            yield from filed[AnchorKind.AGENT].get(agent.name, ())
            yield from filed[AnchorKind.OPERATOR].get(agent.operator or "", ())
            yield from filed[AnchorKind.PURPOSE].get(agent.purpose, ())
        yield from filed[AnchorKind.PURPOSE].get(claim.purpose, ())

    def _candidates(self, view: View) -> Iterator[int]:
        yield from self._of_claim(view.facts.claim)
        if by_host := self._filed[AnchorKind.HOST]:
            yield from by_host.get(view.host, ())
        if self._paths:
            yield from self._paths.found(view.target)
        if self._networks:
            yield from self._networks.lookup(view.address)
