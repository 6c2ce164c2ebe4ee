"""The guard: from a request to a decision, without waiting for anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from scrapeguard.core.behaviour import Behaviour
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.clients import ClientKey, address_key
from scrapeguard.core.decision import Action, Decision
from scrapeguard.core.engine import REPLACE, TRAPS, decide, decoyed, depends_on_path, may_pass, refused_by_author
from scrapeguard.core.facts import Facts, identity_of
from scrapeguard.core.identity import Identity
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.core.rates import NO_RATES, Rates
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request, canonical_target
from scrapeguard.core.sharing import NO_PATHS
from scrapeguard.core.signals import Evidence
from scrapeguard.core.useragent import Claim, UserAgentClassifier

# Members of an enum are found anew by each look (Python 3.11), at the cost of a call.
_BROWSER = Purpose.BROWSER
_MAX_STANDING = 4096
"""Decisions in mind that depend on nothing but a claim and what there is against it, in each of two generations."""


class Verifier(Protocol):
    """Tells from memory how sure it is that a client is who it says it is."""

    def identity(self, claim: Claim, client: str | None) -> Identity:
        """The identity of a client at that address."""

    def method(self, claim: Claim, client: str | None) -> str:
        """By what that identity is settled: `list`, `dns`; empty where it is not."""


class Settled(NamedTuple):
    """An identity, and the method by which it was settled: `list`, `dns`; empty where it was not."""

    identity: Identity
    method: str


class Guard:
    """Assesses requests under a policy. Middleware, command line and every other way in ask the same guard.

    Args:
        policy: what the owner allows.
        classifier: tells what a User-Agent claims; by default one over the catalogue of the policy.
        verifier: tells whether that is true; None to leave it a claim.
        behaviour: tells what a client is and does besides; None to look at each request alone.
        rates: counts how often clients ask, in the windows of the policy; None to begin with nobody.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        classifier: UserAgentClassifier | None = None,
        verifier: Verifier | None = None,
        behaviour: Behaviour | None = None,
        rates: Rates | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self._proxied = bool(policy.proxies.networks)
        self.behaviour = behaviour
        self.rates = Rates(policy.windows) if rates is None else rates
        self.monotonic = monotonic
        self._verifier = verifier
        self._decoys = policy.decoys if policy.decoys.serve else None
        self.refused_paths = NO_PATHS
        """The paths whose authors refuse AI; replaced as a whole when the app names others."""
        self.replaces: Callable[[Request], bool] | None = None
        """Whether the page asked for is answered falsely to who gets decoys; None where each of them is."""
        self._traps = None if behaviour is None else behaviour.traps
        self._classifier = classifier or UserAgentClassifier(policy.catalogue)
        self._standing: Recent[tuple[SitePolicy, Claim, tuple[Evidence, ...]], Decision] = Recent(_MAX_STANDING)
        self._checked_standing: Recent[tuple[SitePolicy, Claim, Identity, tuple[Evidence, ...]], Decision] = Recent(
            _MAX_STANDING
        )

    def assess(self, request: Request) -> Decision:
        """The decision on a request: synchronous, over memory alone."""
        decision = self._assess(request)
        if self._decoys is not None and decision.action.refuses:
            decision = decoyed(decision, self._decoys, canonical_target(request.path, request.query))
            if self.replaces is not None and decision.action is not Action.BLOCK:
                return self._mixed(decision, request, self.replaces)
        return decision

    def _mixed(self, decision: Decision, request: Request, replaces: Callable[[Request], bool]) -> Decision:
        """The decision where a share of the pages is answered falsely, and the others pass."""
        trapped = self._traps is not None and request.path.startswith(self._traps.prefix)
        if trapped or not may_pass(decision, self.policy.site(request.host), request, self.refused_paths):
            return decision
        return decision if replaces(request) else decision._replace(action=Action.OBSERVE, rule=REPLACE)

    def _assess(self, request: Request) -> Decision:
        policy = self.policy
        claim = self._classifier.claim(request.user_agent)
        site = policy.site(request.host) if policy.sites else policy.common
        proxied = self._proxied
        client = policy.proxies.client(request) if proxied else request.peer
        if self._traps is not None and request.path.startswith(self._traps.prefix):
            return self._trapped(site, request, claim, client)
        evidence = claim.evidence
        behaviour = self.behaviour
        if behaviour is not None and (site.trust is None or not site.trust.covers(request, client)):
            if claim.purpose is _BROWSER:
                scheme = policy.proxies.scheme(request) if proxied else request.scheme
                evidence += behaviour.of_browser(request, client, scheme, self.monotonic())
            elif client is not None and not behaviour.ledger.is_empty:
                evidence += self._of_other(behaviour, request, claim, client)
        # Where nothing but the claim counts, the same few claims come again and again.
        standing = self._standing[site, claim, evidence]
        refused = self.refused_paths
        if (standing is None or refused.patterns) and depends_on_path(site, claim, refused):
            return self._looked_into(request, claim, client, evidence)
        if standing is None:
            standing = decide(policy, _facts(request, claim, identity_of(claim), None, evidence))
            self._standing.put((site, claim, evidence), standing)
        # Who is refused by the name it gives need not be proved a liar besides.
        if claim.agents and self._verifier is not None and not standing.action.refuses:
            standing = self._checked(site, request, claim, self._identity(request, claim, client), evidence)
        return standing.for_client(client)

    def _looked_into(
        self, request: Request, claim: Claim, client: str | None, evidence: tuple[Evidence, ...]
    ) -> Decision:
        """The decision where it depends on more than the claim, and what there is against it."""
        identity = self._identity(request, claim, client)
        rates = NO_RATES
        if self.rates and client is not None:
            rates = self.rates.note_here(address_key(client), self.monotonic())
        return decide(self.policy, _facts(request, claim, identity, client, evidence, rates), self.refused_paths)

    def _of_other(self, behaviour: Behaviour, request: Request, claim: Claim, client: str) -> tuple[Evidence, ...]:
        """What somebody answers for who names no browser; nothing, where its operator vouches for it."""
        found = behaviour.of_other(request, claim, client, self.monotonic())
        # It is asked last who it is: hardly anybody has anything to answer for.
        return () if found and self._identity(request, claim, client) is Identity.VERIFIED else found

    def _trapped(self, site: SitePolicy, request: Request, claim: Claim, client: str | None) -> Decision:
        """Whoever comes to a trap is refused; most answer for it, too."""
        identity = self._identity(request, claim, client)
        behaviour = self.behaviour
        evidence = claim.evidence
        trusted = site.trust is not None and site.trust.covers(request, client)
        if behaviour is not None and client is not None and identity is not Identity.VERIFIED and not trusted:
            now = self.monotonic()
            if behaviour.trapped(request, claim, client, now):
                evidence += behaviour.ledger.evidence(behaviour.key_of(request, claim, client), now)
        decision = decide(self.policy, _facts(request, claim, identity, client, evidence))
        by_name = decision.action.refuses and not decision.rule.startswith("thresholds.")
        return decision if by_name else decision._replace(action=Action.BLOCK, rule=TRAPS)

    def _identity(self, request: Request, claim: Claim, client: str | None) -> Identity:
        if self._verifier is None or not claim.agents:
            return identity_of(claim)
        identity = self._verifier.identity(claim, client)
        if identity is Identity.SPOOFED and not self.policy.proxies.knows_all_hops(request):
            # The address is a proxy's, perhaps: no ground to call anybody a liar.
            return Identity.CLAIMED
        return identity

    def _checked(
        self, site: SitePolicy, request: Request, claim: Claim, identity: Identity, evidence: tuple[Evidence, ...]
    ) -> Decision:
        """The decision where nothing but the claim counts, what there is against it, and whether it is true."""
        key = (site, claim, identity, evidence)
        standing = self._checked_standing[key]
        if standing is None:
            standing = decide(self.policy, _facts(request, claim, identity, None, evidence))
            self._checked_standing.put(key, standing)
        return standing

    def refused_by_author(self, request: Request, decision: Decision) -> Decision:
        """The decision once the app has said that the author of the page asked for refuses AI."""
        return refused_by_author(decision, self._classifier.claim(request.user_agent))

    def settled(self, request: Request, decision: Decision) -> Settled:
        """Who the client of a decision is by now, also where nothing depended on it, and what settled that."""
        claim = self._classifier.claim(request.user_agent)
        identity = self._identity(request, claim, decision.client)
        is_settled = identity is Identity.VERIFIED or identity is Identity.SPOOFED
        method = self._verifier.method(claim, decision.client) if self._verifier and is_settled else ""
        return Settled(identity, method)

    def client_key(self, request: Request, client: str) -> ClientKey:
        """What a client is told apart by."""
        return Behaviour.key_of(request, self._classifier.claim(request.user_agent), client)

    def client_of(self, request: Request) -> str | None:
        """The address of the client, if there is one."""
        proxies = self.policy.proxies
        return proxies.client(request) if proxies.networks else request.peer

    @property
    def closed(self) -> tuple[str, ...]:
        """The paths that are closed to every robot."""
        return () if self._traps is None else (self._traps.prefix,)

    def read_robots(self, request: Request, version: str, text: bytes | None) -> None:
        """Write down that a client was served this robots.txt."""
        client = self.client_of(request)
        if self.behaviour is not None and client is not None:
            key = self.client_key(request, client)
            self.behaviour.read_robots(key, request.host, version, text, self.monotonic())

    def missed(self, request: Request, client: str | None) -> None:
        """Write down that the app has no such page."""
        claim = self._classifier.claim(request.user_agent)
        if self.behaviour is not None and client is not None and claim.purpose is Purpose.BROWSER:
            self.behaviour.history.missed(self.client_key(request, client), self.monotonic())


def _facts(
    request: Request,
    claim: Claim,
    identity: Identity,
    client: str | None,
    evidence: tuple[Evidence, ...],
    rates: Mapping[float, float] = NO_RATES,
) -> Facts:
    if identity is Identity.SPOOFED:
        detail = f"calls itself {claim.name}; its address is none of {claim.operator or 'its operator'}'s"
        evidence = (*evidence, Evidence("spoofed-identity", detail))
    return Facts(request, claim, identity, client, evidence, rates)
