"""The verdict: a pure function of policy and facts.

The order is fixed: the first rule that matches, else what is said about the agents named, else the score, else allow.
"""

from __future__ import annotations

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.decision import Action, Decision, Reason, Recognised
from scrapeguard.core.facts import Facts, View
from scrapeguard.core.policy import Policy, SitePolicy, Verdict
from scrapeguard.core.useragent import Claim

_DEFAULT = Verdict(Action.ALLOW, "default")


def decide(policy: Policy, facts: Facts) -> Decision:
    """The decision on a request: the same facts under the same policy give the same decision."""
    site = policy.site(facts.request.host)
    reasons = tuple(Reason(signal, site.weights[signal], detail) for signal, detail in facts.evidence)
    score = sum(reason.weight for reason in reasons)
    verdict = _verdict(site, facts, score)
    return Decision(verdict.action, verdict.rule, score, _recognised(facts), facts.client, reasons, site.mode)


def _verdict(site: SitePolicy, facts: Facts, score: int) -> Verdict:
    if site.rules:
        rule = site.index.first_match(View(facts, score))
        if rule is not None:
            return Verdict(rule.action, rule.name)
    return standing_verdict(site, facts.claim, score)


def standing_verdict(site: SitePolicy, claim: Claim, score: int) -> Verdict:
    """The verdict where no rule matches. Of several agents named, one that is refused decides."""
    if not claim.agents:
        return site.handling_of(claim.purpose) or site.by_score(score) or _DEFAULT
    said = [verdict for agent in claim.agents if (verdict := site.handling(agent)) is not None]
    for verdict in said:
        if verdict.action.refuses:
            return verdict
    return said[0] if said else site.by_score(score) or _DEFAULT


def _recognised(facts: Facts) -> Recognised | None:
    claim = facts.claim
    if claim.purpose is Purpose.UNKNOWN:
        return None
    return Recognised(claim.name, claim.operator, claim.purpose, facts.identity)
