"""`scrapeguard agents`: who is who, how to verify them, and how to opt out with their operator."""

from __future__ import annotations

import argparse
import os
from difflib import get_close_matches
from typing import Any

from scrapeguard.cli import FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import count, load_or_report
from scrapeguard.cli.output import ACTION_COLOURS, fail, paint, print_json, table
from scrapeguard.core.catalogue import Account, Agent, Catalogue
from scrapeguard.core.decision import Action
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.verification.refresh import fetch
from scrapeguard.verifying import Verification

_ROBOTS_WORDS = {
    "documented": "obeys it, says its operator's documentation",
    "claimed": "said to obey it",
    "unclear": "nobody says",
    "ignored": "not obeyed",
}


def run(arguments: argparse.Namespace) -> int:
    """Print the catalogue, or what it knows under a name."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    word = " ".join(arguments.name)
    return _update(policy, as_json=arguments.json) if word == "update" else _show(policy, word, as_json=arguments.json)


def _show(policy: Policy, word: str, *, as_json: bool) -> int:
    catalogue = policy.catalogue
    agents, accounts = find(catalogue, word) if word else (catalogue.agents, catalogue.accounts)
    if not agents and not accounts:
        fail(f"nothing in the catalogue is called {word!r}{_hint(catalogue, word)}")
        return FOUND_PROBLEMS
    if as_json:
        for agent in agents:
            print_json(_agent_json(agent, policy.common))
        for account in accounts:
            print_json(_account_json(account))
    elif word and len(agents) <= 3:
        for agent in agents:
            _print_agent(agent, policy.common)
        _print_accounts(accounts)
    else:
        _print_all(agents, accounts if word else (), policy)
    return FINE


def _update(policy: Policy, *, as_json: bool) -> int:
    """Fetch the published address lists; 1 where an operator did not answer, or with something odd."""
    verification = Verification(policy, os.environ, ask_dns=False, fetch=fetch)
    outcomes = verification.refresh.fetch_all()
    for outcome in outcomes:
        networks = len(outcome.fresh.networks) if outcome.fresh else None
        if as_json:
            print_json({"url": outcome.url, "networks": networks, "problem": outcome.fault})
        elif outcome.fault:
            fail(f"{outcome.url}: {outcome.fault}")
        else:
            print(f"{outcome.url}: {'not a day old' if networks is None else count(networks, 'network')}")
    faults = sum(outcome.fault is not None for outcome in outcomes)
    if not as_json:
        fail(f"{count(len(outcomes) - faults, 'list')} up to date, {faults} not; kept in {verification.folder.path}")
    return FOUND_PROBLEMS if faults else FINE


def find(catalogue: Catalogue, word: str) -> tuple[tuple[Agent, ...], tuple[Account, ...]]:
    """The agents and opt-outs that a word stands for: a name or token, an operator, a purpose, or a service."""
    wanted = word.lower()
    exact = tuple(agent for agent in catalogue.agents if wanted in (agent.name.lower(), (agent.token or "").lower()))
    wider = tuple(a for a in catalogue.agents if wanted in ((a.operator or "").lower(), str(a.purpose)))
    return wider if len(wider) > len(exact) else exact, catalogue.accounts_of(word)


def _hint(catalogue: Catalogue, word: str) -> str:
    names = {agent.name.lower(): agent.name for agent in catalogue.agents}
    names |= {operator.lower(): operator for operator in catalogue.operators}
    names |= {account.service.lower(): account.service for account in catalogue.accounts}
    close = get_close_matches(word.lower(), names, n=3)
    return f"; did you mean {', '.join(names[name] for name in close)}?" if close else ""


def _action(agent: Agent, site: SitePolicy) -> Action:
    verdict = site.handling(agent)
    return Action.ALLOW if verdict is None else verdict.action


def _print_all(agents: tuple[Agent, ...], accounts: tuple[Account, ...], policy: Policy) -> None:
    rows = [(str(_action(a, policy.common)), a.purpose, a.name, a.operator or "-", a.robots) for a in agents]
    table(("ACTION", "PURPOSE", "NAME", "OPERATOR", "ROBOTS.TXT"), rows, colours={0: ACTION_COLOURS})
    serve_ai = sum(agent.is_ai for agent in agents)
    print(f"\n{count(len(agents), 'agent')}, {serve_ai} for AI; facts of {policy.catalogue.as_of}.")
    if accounts:
        print()
        _print_accounts(accounts)


def _print_agent(agent: Agent, site: SitePolicy) -> None:
    action = _action(agent, site)
    print(f"{paint(agent.name, 'bold')}: {paint(action, ACTION_COLOURS[action])}")
    lines = {
        "operator": agent.operator or "unknown, or anybody",
        "purpose": str(agent.purpose),
        "robots.txt": f"{_ROBOTS_WORDS[agent.robots]}; token {agent.token}" if agent.token else "has no token there",
        "recognised": "never sent in a request" if agent.control else ", ".join(agent.match) or "not by its User-Agent",
        "ranges": ", ".join(agent.verify.ranges),
        "reverse dns": ", ".join(agent.verify.dns),
        "signature": agent.verify.signature or "",
        "example": agent.example or "",
        "docs": agent.docs or "",
        "note": agent.note or "",
    }
    for head, text in lines.items():
        if text:
            print(f"  {head:<12} {text}")
    print()


def _print_accounts(accounts: tuple[Account, ...]) -> None:
    for account in accounts:
        print(paint(f"Opt out with {account.service} ({account.operator})", "bold"))
        print(f"  {account.effect}")
        for number, step in enumerate(account.steps, start=1):
            print(f"  {number}. {step}")
        if account.url:
            print(f"  {account.url}")
        print()


def _agent_json(agent: Agent, site: SitePolicy) -> dict[str, Any]:
    return {
        "kind": "agent",
        "name": agent.name,
        "operator": agent.operator,
        "purpose": str(agent.purpose),
        "action": str(_action(agent, site)),
        "robots": str(agent.robots),
        "token": agent.token,
        "match": list(agent.match),
        "control": agent.control,
        "docs": agent.docs,
        "verify": {"ranges": agent.verify.ranges, "dns": agent.verify.dns, "signature": agent.verify.signature},
        "example": agent.example,
        "note": agent.note,
    }


def _account_json(account: Account) -> dict[str, Any]:
    return {
        "kind": "account",
        "service": account.service,
        "operator": account.operator,
        "effect": account.effect,
        "steps": list(account.steps),
        "url": account.url,
    }
