"""The verdict: a pure function of policy and facts.

The order is fixed: what the author of the page wants; the first rule that matches; a path that is closed to AI; what is
said about the agents named; what is shared; the score; else allow.
"""

from __future__ import annotations

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Action, Decision, Reason, Recognised
from scrapeguard.core.facts import Facts, View
from scrapeguard.core.identity import Identity
from scrapeguard.core.policy import DecoyPolicy, Policy, SitePolicy, Verdict
from scrapeguard.core.request import Request, targets_of
from scrapeguard.core.sharing import BY_AUTHOR, NO_PATHS, USES_OF, PathSharing, RefusedPaths
from scrapeguard.core.signals import PROOFS
from scrapeguard.core.useragent import Claim

REPLACE = "decoys.replace"
"""The rule by which a page passes to somebody who gets decoys at other addresses."""
_READING = frozenset({"GET", "HEAD"})
_DEFAULT = Verdict(Action.ALLOW, "default")
TRAPS = "traps"
"""The rule by which whoever comes to a trap is refused."""
_WELCOME = frozenset(
    {Purpose.SEARCH_ENGINE, Purpose.ARCHIVE, Purpose.FEED_READER, Purpose.LINK_PREVIEW, Purpose.MONITOR}
)
_BY_AUTHOR = Verdict(Action.BLOCK, BY_AUTHOR)


def decide(policy: Policy, facts: Facts, refused: RefusedPaths = NO_PATHS) -> Decision:
    """The decision on a request: the same facts under the same policy give the same decision.

    Args:
        policy: what the owner allows.
        facts: what is known of the request.
        refused: the paths whose authors refuse AI.
    """
    site = policy.site(facts.request.host)
    reasons = tuple(Reason(said.signal, said.weight(site.weights), said.detail) for said in facts.evidence)
    score = sum(reason.weight for reason in reasons)
    verdict = _verdict(site, View(facts, score), refused)
    return Decision(verdict.action, verdict.rule, score, _recognised(facts), facts.client, reasons, site.mode)


def refused_by_author(decision: Decision, claim: Claim) -> Decision:
    """The decision once the author of the page is known to refuse AI; the same for those who do not serve it."""
    if not (claim.serves_ai or decision.rule == REPLACE) or decision.action.refuses:
        return decision
    return decision._replace(action=Action.BLOCK, rule=BY_AUTHOR)


def decoyed(decision: Decision, said: DecoyPolicy, target: str) -> Decision:
    """The decision where liars get decoys: those who are refused by their score, and have shown that they do not obey.

    Never those whom their operator vouches for, nor who reads feeds, archives or looks for a search engine, unless that
    is the lie; never at the paths that the owner names.

    Args:
        decision: that refuses, or asks for a decoy.
        said: what the owner wants.
        target: canonical path and query.
    """
    shielded = any(pattern.matches(target) for pattern in said.never)
    if decision.action is not Action.BLOCK:
        return decision._replace(action=Action.BLOCK) if shielded else decision
    by_score = decision.rule.startswith("thresholds.") or decision.rule == TRAPS
    if not (by_score and any(reason.signal in PROOFS for reason in decision.reasons)):
        return decision
    agent = decision.agent
    if agent is not None and agent.purpose in _WELCOME and agent.identity is not Identity.SPOOFED:
        return decision
    # People come upon a trap too; they are told, and may go on.
    if shielded or (decision.rule == TRAPS and agent is not None and agent.purpose is Purpose.BROWSER):
        return decision
    return decision._replace(action=Action.TARPIT if said.tarpit else Action.DECOY)


def may_pass(decision: Decision, site: SitePolicy, request: Request, refused: RefusedPaths = NO_PATHS) -> bool:
    """Whether somebody who gets a decoy might get the page itself, were this one not replaced.

    Only who reads might, and never what the owner or an author keeps from AI, nor where a rule decided by the path.

    Args:
        decision: that asks for a decoy.
        site: the policy of the site.
        request: what was asked for.
        refused: the paths whose authors refuse AI.
    """
    if decision.rule == TRAPS or decision.rule in site.index.of_paths:
        return False
    # A handshake is no reading, by whichever way it comes in.
    reads = request.method in _READING and request.scheme in ("http", "https") and not request.header("upgrade")
    targets = targets_of(request.path, request.query)
    said = [found for found in map(site.by_path.find, targets) if found is not None]
    return reads and not any(one.private for one in said) and not any(map(refused.covers, targets))


def depends_on_path(site: SitePolicy, claim: Claim, refused: RefusedPaths = NO_PATHS) -> bool:
    """Whether a request must be looked at beyond its claim."""
    if site.rules and site.index.may_concern(claim):
        return True
    return bool(site.paths or refused) and not claim.purposes.isdisjoint(USES_OF)


def _verdict(site: SitePolicy, view: View, refused: RefusedPaths) -> Verdict:
    claim = view.facts.claim
    if refused and claim.serves_ai and any(map(refused.covers, view.targets)):
        return _BY_AUTHOR
    if site.rules:
        rule = site.index.first_match(view)
        if rule is not None:
            return Verdict(rule.action, rule.name)
    lies = view.facts.identity is Identity.SPOOFED
    if not site.paths:
        return standing_verdict(site, claim, view.score, lies=lies)
    said = map(site.by_path.find, view.targets)
    verdicts = [standing_verdict(site, claim, view.score, one, lies=lies) for one in said]
    return next((verdict for verdict in verdicts if not verdict.action.passes), verdicts[0])


def standing_verdict(
    site: SitePolicy, claim: Claim, score: int, said: PathSharing | None = None, *, lies: bool = False
) -> Verdict:
    """The verdict where no rule matches. Of several agents named, one that is refused decides.

    Args:
        site: the policy of the site.
        claim: who the client says it is.
        score: what the signals weigh.
        said: what is said of the path; None where nothing is.
        lies: whether the client is known not to be the agent it names; what that agent may do is then not for it.
    """
    if said is not None and said.private and claim.serves_ai:
        return Verdict(Action.BLOCK, said.rule)
    if not claim.agents:
        return site.handling_of(claim.purpose, said) or site.by_score(score) or _DEFAULT
    heard = [verdict for agent in claim.agents if (verdict := site.handling(agent, said)) is not None]
    for verdict in heard:
        if not verdict.action.passes:
            return verdict
    return heard[0] if heard and not lies else site.by_score(score) or _DEFAULT


def _recognised(facts: Facts) -> Recognised | None:
    claim = facts.claim
    if claim.purpose is Purpose.UNKNOWN:
        return None
    return Recognised(claim.name, claim.operator, claim.purpose, facts.identity)
