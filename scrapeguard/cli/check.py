"""`scrapeguard check`: is the rule file right, does it do what its tests say, and whom would it refuse by mistake."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.announced import print_said, said_of
from scrapeguard.cli.loading import count, rules_path
from scrapeguard.cli.output import fail, paint, print_json, printable
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.optout import Place, origin_of, response_headers
from scrapeguard.core.policy import Policy, RuleTest
from scrapeguard.core.request import Request
from scrapeguard.core.robots import unsaid_rules
from scrapeguard.errors import PolicyError, Problem
from scrapeguard.guard import Guard
from scrapeguard.parts import decoy_faults
from scrapeguard.rulefile.audience import load_audience
from scrapeguard.rulefile.catalogue import load_catalogue
from scrapeguard.rulefile.load import load_policy
from scrapeguard.rulefile.model import RuleFile
from scrapeguard.verification.lists import STALE
from scrapeguard.verifying import Verification, list_urls


class Refused(NamedTuple):
    """Somebody of the audience whom the policy would refuse, though nothing under `agents` or `sharing` says so."""

    user_agent: str
    purpose: Purpose
    host: str
    rule: str


def run(arguments: argparse.Namespace) -> int:
    """Check a rule file; 0 where all is well, 1 where something was found."""
    if arguments.schema:
        print(json.dumps(RuleFile(load_catalogue()).json_schema(), indent=2))
        return FINE
    if arguments.file and arguments.rules:
        fail("name the rule file once: as RULES or with --rules")
        return BAD_USAGE
    path = rules_path(arguments.file or arguments.rules)
    try:
        policy = load_policy(path)
    except PolicyError as error:
        return _report_problems(str(path), error, as_json=arguments.json)
    if arguments.host and arguments.path is None:
        fail("--host belongs to --path")
        return BAD_USAGE
    if arguments.path is not None:
        return _say(policy, arguments)
    if faults := decoy_faults(policy):
        return _report_problems(
            str(path), PolicyError(Problem(str(path), 1, 1, fault) for fault in faults), as_json=arguments.json
        )
    guard = Guard(policy)
    failed = [(test, guard.assess(test.request).to_json()) for test in policy.tests if not _passes(guard, test)]
    outcome = ask_audience(guard)
    if arguments.json:
        print_json(_summary(str(path), policy, failed, outcome))
    else:
        _print(str(path), policy, failed, outcome)
    return FOUND_PROBLEMS if failed or outcome.mistaken else FINE


def _say(policy: Policy, arguments: argparse.Namespace) -> int:
    if not arguments.path.startswith("/"):
        fail(f"--path: begins with /, not {arguments.path!r}")
        return BAD_USAGE
    said = said_of(policy, arguments.path, arguments.host)
    if arguments.json:
        print_json(said.to_json())
    else:
        print_said(said)
    return FINE


class Outcome(NamedTuple):
    """How the packaged audience fares at `/` of each site.

    A refusal by `agents` or `sharing` is the owner's will; a rule or a score that catches a browser is a mistake.
    """

    mistaken: list[Refused]
    willed: Counter[Purpose]
    asked: Counter[Purpose]


_USUAL = {"accept": "text/html,*/*;q=0.8", "accept-language": "en-GB,en;q=0.9", "accept-encoding": "gzip, deflate, br"}
"""What every browser sends besides its name."""


def ask_audience(guard: Guard) -> Outcome:
    """Send the packaged audience through a policy."""
    audience = load_audience()
    outcome = Outcome([], Counter(), Counter(purpose for purpose, _ in audience))
    for host in ("", *(pattern.replace("*", "www") for pattern in guard.policy.sites)):
        for number, (purpose, user_agent) in enumerate(audience):
            # Each from an address of its own (RFC 2544), so that no rate is reached by all of them together.
            peer = f"198.18.{number >> 8}.{number & 255}"
            headers = _USUAL if purpose is Purpose.BROWSER else {}
            asked = Request.of("/", user_agent=user_agent, host=host, peer=peer, headers=headers)
            decision = guard.assess(asked)
            if decision.action.refuses and decision.rule.startswith(("agents.", "sharing.")):
                outcome.willed[purpose] += 1
            elif not decision.action.passes:
                outcome.mistaken.append(Refused(user_agent, purpose, host, decision.rule))
    return outcome


def _passes(guard: Guard, test: RuleTest) -> bool:
    return guard.assess(test.request).action is test.expect


def _report_problems(path: str, error: PolicyError, *, as_json: bool) -> int:
    if as_json:
        problems = [{"file": p.file, "line": p.line, "column": p.column, "message": p.message} for p in error.problems]
        print_json({"file": path, "ok": False, "problems": problems})
    else:
        fail(error)
        fail(f"\n{path}: {count(len(error.problems), 'problem')}.")
    return FOUND_PROBLEMS


def _summary(
    path: str,
    policy: Policy,
    failed: list[tuple[RuleTest, dict[str, Any]]],
    outcome: Outcome,
) -> dict[str, Any]:
    return {
        "file": path,
        "ok": not failed and not outcome.mistaken,
        "problems": [],
        "tests": {
            "passed": len(policy.tests) - len(failed),
            "failed": [
                {"place": test.place, "expected": str(test.expect), "got": decision} for test, decision in failed
            ],
        },
        "upstreams": {host: str(upstream) for host, upstream in policy.upstreams.items()},
        "not_in_robots_txt": _unsaid(policy),
        "audience": {
            "asked": {str(purpose): number for purpose, number in outcome.asked.items()},
            "refused_by_will": {str(purpose): number for purpose, number in outcome.willed.items()},
        },
        "refused_by_mistake": [refusal._asdict() for refusal in outcome.mistaken],
    }


def _print(
    path: str,
    policy: Policy,
    failed: list[tuple[RuleTest, dict[str, Any]]],
    outcome: Outcome,
) -> None:
    good, bad = paint("ok  ", "green"), paint("FAIL", "red")
    site = policy.common
    rules = count(len(site.rules), "rule")
    print(f"{good} {path}: mode {site.mode}, {rules}, {count(len(policy.sites), 'site')} of their own")
    print(f"     catalogue of {policy.catalogue.as_of}: {count(len(policy.catalogue.agents), 'agent')}")
    passed = len(policy.tests) - len(failed)
    headers = response_headers(Place(site, origin_of("https", "HOST")))
    said = "; ".join(f"{name.decode()}: {value.decode()}" for name, value in headers)
    print(f"     announced beside robots.txt: {said or 'nothing'}")
    upstreams = (f"the proxy finds {host} at {upstream}" for host, upstream in policy.upstreams.items())
    for line in (*_identity_lines(policy), *upstreams):
        print(f"     {line}")
    if policy.tests:
        print(f"{bad if failed else good} tests in the file: {passed} of {len(policy.tests)} pass")
    else:
        print("note there are no tests in the file")
    for test, decision in failed:
        print(f"     {test.place}: expected {test.expect}, got {decision['action']} by {decision['rule']}")
    if unsaid := _unsaid(policy):
        names = ", ".join(map(printable, unsaid))
        print(f"note robots.txt cannot express, or not in full: {names}; these rules are enforced all the same")
    if outcome.willed:
        print(f"note refused because the file says so: {_counts(outcome.willed)}")
    refused = outcome.mistaken
    print(f"{bad if refused else good} refused by mistake: {len(refused)}")
    print(f"     asked at / of each site: {_counts(outcome.asked)}")
    for refusal in refused[:10]:
        where = f" at {refusal.host}" if refusal.host else ""
        print(f"     {refusal.rule} refuses a {refusal.purpose}{where}: {printable(refusal.user_agent)}")
    if len(refused) > 10:
        print(f"     and {len(refused) - 10:,} more")


def _identity_lines(policy: Policy) -> Iterator[str]:
    """How claimed identities are checked, with the age of what they are held against."""
    said = policy.verification
    lists = Verification(policy, os.environ, ask_dns=False).verifier.lists.by_url
    ages = [int((time.time() - one.as_of) // 86_400) for one in lists.values()]
    known = f"{len(lists)} of {len(list_urls(policy.catalogue))}"
    yield f"identities: {known} published lists at hand, {min(ages)} to {max(ages)} days old"
    if max(ages) * 86_400 > STALE:
        days = int(STALE // 86_400)
        yield f"     those over {days} days prove nobody a liar; `scrapeguard agents update` fetches them anew"
    yield f"     refreshed while serving: {_on(said.refresh)}; reverse DNS: {_on(said.dns)}"


def _on(switch: bool) -> str:
    return "on" if switch else "off"


def _unsaid(policy: Policy) -> list[str]:
    """The rules of all sites that robots.txt cannot express, each once."""
    sites = (policy.common, *policy.sites.values())
    return list(dict.fromkeys(name for site in sites for name in unsaid_rules(site, policy.catalogue)))


def _counts(numbers: Counter[Purpose]) -> str:
    return ", ".join(f"{number} {purpose}" for purpose, number in numbers.items())
