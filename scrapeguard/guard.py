"""The guard: from a request to a decision, without waiting for anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from scrapeguard.core.browserheaders import BrowserHeaders
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Decision
from scrapeguard.core.engine import decide, depends_on_path, refused_by_author
from scrapeguard.core.facts import Facts, identity_of
from scrapeguard.core.history import History
from scrapeguard.core.identity import Identity
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request
from scrapeguard.core.sharing import NO_PATHS
from scrapeguard.core.signals import Evidence
from scrapeguard.core.useragent import Claim, UserAgentClassifier


class Verifier(Protocol):
    """Tells from memory how sure it is that a client is who it says it is."""

    def identity(self, claim: Claim, client: str | None) -> Identity:
        """The identity of a client at that address."""


class Guard:
    """Assesses requests under a policy. Middleware, command line and every other way in ask the same guard.

    Args:
        policy: what the owner allows.
        classifier: tells what a User-Agent claims; by default one over the catalogue of the policy.
        verifier: tells whether that is true; None to leave it a claim.
        browsers: judges the headers of those who call themselves a browser; None to leave them alone.
        history: remembers what these did before; None to forget.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        classifier: UserAgentClassifier | None = None,
        verifier: Verifier | None = None,
        browsers: BrowserHeaders | None = None,
        history: History | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self._verifier = verifier
        self._browsers = browsers
        self.history = history
        self._looks_closer = browsers is not None or history is not None
        self._monotonic = monotonic
        self.refused_paths = NO_PATHS
        """The paths whose authors refuse AI; replaced as a whole when the app names others."""
        self._classifier = classifier or UserAgentClassifier(policy.catalogue)
        self._standing: Recent[tuple[SitePolicy, Claim, tuple[Evidence, ...]], Decision] = Recent(4096)
        self._checked_standing: Recent[tuple[SitePolicy, Claim, Identity], Decision] = Recent(4096)

    def assess(self, request: Request) -> Decision:
        """The decision on a request: synchronous, over memory alone."""
        policy = self.policy
        claim = self._classifier.claim(request.user_agent)
        site = policy.site(request.host)
        client = policy.proxies.client(request) if policy.proxies.networks else request.peer
        evidence = claim.evidence
        if claim.purpose is Purpose.BROWSER and self._looks_closer:
            evidence += self._behaviour(request, client)
        refused = self.refused_paths
        if (site.rules or site.paths or refused.patterns) and depends_on_path(site, claim, refused):
            facts = _facts(request, claim, self._identity(request, claim, client), client, evidence)
            return decide(policy, facts, refused)
        # Where nothing but the claim counts, the same few claims come again and again.
        standing = self._standing.get((site, claim, evidence))
        if standing is None:
            standing = decide(policy, _facts(request, claim, identity_of(claim), None, evidence))
            self._standing.put((site, claim, evidence), standing)
        # Who is refused by the name it gives need not be proved a liar besides.
        if claim.agents and self._verifier is not None and not standing.action.refuses:
            standing = self._checked(site, request, claim, self._identity(request, claim, client))
        return standing.for_client(client)

    def _behaviour(self, request: Request, client: str | None) -> tuple[Evidence, ...]:
        """What is odd about somebody who names a browser."""
        found: tuple[Evidence, ...] = ()
        # The whole as a dict is faster than the few that matter.
        sent = dict(request.headers)
        if self._browsers is not None:
            proxies = self.policy.proxies
            scheme = proxies.scheme(request) if proxies.networks else request.scheme
            found = self._browsers.evidence(request, sent, scheme)
        if self.history is not None and client is not None:
            found += self.history.note(request, sent, client, self._monotonic())
        return found

    def _identity(self, request: Request, claim: Claim, client: str | None) -> Identity:
        if self._verifier is None or not claim.agents:
            return identity_of(claim)
        identity = self._verifier.identity(claim, client)
        if identity is Identity.SPOOFED and not self.policy.proxies.knows_all_hops(request):
            # The address is a proxy's, perhaps: no ground to call anybody a liar.
            return Identity.CLAIMED
        return identity

    def _checked(self, site: SitePolicy, request: Request, claim: Claim, identity: Identity) -> Decision:
        """The decision where nothing but the claim counts, and whether it is true."""
        key = (site, claim, identity)
        standing = self._checked_standing.get(key)
        if standing is None:
            standing = decide(self.policy, _facts(request, claim, identity, None, claim.evidence))
            self._checked_standing.put(key, standing)
        return standing

    def refused_by_author(self, request: Request, decision: Decision) -> Decision:
        """The decision once the app has said that the author of the page asked for refuses AI."""
        return refused_by_author(decision, self._classifier.claim(request.user_agent))


def _facts(
    request: Request, claim: Claim, identity: Identity, client: str | None, evidence: tuple[Evidence, ...]
) -> Facts:
    if identity is Identity.SPOOFED:
        detail = f"calls itself {claim.name}; its address is none of {claim.operator or 'its operator'}'s"
        evidence = (*evidence, Evidence("spoofed-identity", detail))
    return Facts(request, claim, identity, client, evidence)
