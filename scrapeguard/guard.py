"""The guard: from a request to a decision, without waiting for anything."""

from __future__ import annotations

from scrapeguard.core.decision import Decision
from scrapeguard.core.engine import decide, depends_on_path, refused_by_author
from scrapeguard.core.facts import Facts, identity_of
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request
from scrapeguard.core.sharing import NO_PATHS
from scrapeguard.core.useragent import Claim, UserAgentClassifier


class Guard:
    """Assesses requests under a policy. Middleware, command line and every other way in ask the same guard.

    Args:
        policy: what the owner allows.
        classifier: tells what a User-Agent claims; by default one over the catalogue of the policy.
    """

    def __init__(self, policy: Policy, *, classifier: UserAgentClassifier | None = None) -> None:
        self.policy = policy
        self.refused_paths = NO_PATHS
        """The paths whose authors refuse AI; replaced as a whole when the app names others."""
        self._classifier = classifier or UserAgentClassifier(policy.catalogue)
        self._standing: Recent[tuple[SitePolicy, Claim], Decision] = Recent(4096)

    def assess(self, request: Request) -> Decision:
        """The decision on a request: synchronous, over memory alone."""
        policy = self.policy
        claim = self._classifier.claim(request.user_agent)
        site = policy.site(request.host)
        client = policy.proxies.client(request) if policy.proxies.networks else request.peer
        refused = self.refused_paths
        if (site.rules or site.paths or refused.patterns) and depends_on_path(site, claim, refused):
            return decide(policy, _facts(request, claim, client), refused)
        # Where nothing but the claim counts, the same few claims come again and again.
        standing = self._standing.get((site, claim))
        if standing is None:
            standing = decide(policy, _facts(request, claim, client))
            self._standing.put((site, claim), standing)
        return standing.for_client(client)

    def refused_by_author(self, request: Request, decision: Decision) -> Decision:
        """The decision once the app has said that the author of the page asked for refuses AI."""
        return refused_by_author(decision, self._classifier.claim(request.user_agent))


def _facts(request: Request, claim: Claim, client: str | None) -> Facts:
    return Facts(request, claim, identity_of(claim), client, claim.evidence)
