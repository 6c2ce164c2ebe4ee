"""`scrapeguard explain`: one request, and every reason for its decision."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.explainlog import explain_log
from scrapeguard.cli.loading import load_or_report
from scrapeguard.cli.output import ACTION_COLOURS, fail, paint, print_json, printable
from scrapeguard.core.address import parse_address
from scrapeguard.core.catalogue import Catalogue, Purpose
from scrapeguard.core.decision import Decision, Mode
from scrapeguard.core.forwarded import Proxies
from scrapeguard.core.request import Request, canonical_target
from scrapeguard.core.signals import SIGNALS
from scrapeguard.errors import ScrapeGuardError
from scrapeguard.guard import Guard
from scrapeguard.parts import new_behaviour, site_replaces
from scrapeguard.rulefile.faults import address_fault, header_fault, method_fault
from scrapeguard.verification.lists import Holding
from scrapeguard.verifying import Verification


def run(arguments: argparse.Namespace) -> int:
    """Print the decision on the request that the arguments describe, or on each of a log."""
    if arguments.log:
        return explain_log(arguments)
    if arguments.robots:
        fail("--robots belongs to --log")
        return BAD_USAGE
    request = _request(arguments)
    if request is None:
        return BAD_USAGE
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    verification = Verification(policy, os.environ, ask_dns=arguments.dns)
    guard = Guard(policy, verifier=verification.verifier, behaviour=new_behaviour(policy, b"explain"))
    try:
        guard.replaces = site_replaces(policy, os.environ)
    except ScrapeGuardError as error:
        fail(str(error))
        return FOUND_PROBLEMS
    decision = guard.assess(request)
    if arguments.dns and verification.dns is not None and verification.dns.is_asked:
        asyncio.run(verification.dns.run_once())
        decision = guard.assess(request)
    address = parse_address(decision.client)
    holding = [] if address is None else verification.verifier.lists.holding(address)
    if arguments.json:
        print_json({**decision.to_json(), "lists": [_holding_json(one) for one in holding]})
    else:
        _print(request, decision, policy.proxies, [_holding_text(one, policy.catalogue) for one in holding])
    return FINE


def _holding_json(one: Holding) -> dict[str, str]:
    return {"network": str(one.network), "url": one.source.url, "as_of": _day(one.source.as_of)}


def _holding_text(one: Holding, catalogue: Catalogue) -> str:
    """A network in which the address is, whose it is, and where that stands."""
    whose = [agent for agent in catalogue.agents if one.source.url in agent.verify.ranges]
    operators = ", ".join(dict.fromkeys(agent.operator for agent in whose if agent.operator)) or "nobody we know"
    return f"{one.network} of {operators}: {one.source.url}, as of {_day(one.source.as_of)}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _request(arguments: argparse.Namespace) -> Request | None:
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in arguments.headers]
    checks = [
        *(
            ("-H", line, "takes `Name: value`")
            for line, pair in zip(arguments.headers, headers, strict=True)
            if len(pair) != 2 or header_fault(pair[0])
        ),
        ("--path", arguments.path, None if arguments.path.startswith("/") else "begins with /"),
        ("--method", arguments.method, method_fault(arguments.method)),
        ("--host", arguments.host, "is a host, with a port perhaps" if re.search(r"[/@\s]", arguments.host) else None),
        ("--ip", arguments.ip, None if arguments.ip is None else address_fault(arguments.ip)),
    ]
    for option, value, fault in checks:
        if fault:
            fail(f"{option}: {fault}, not {value!r}")
            return None
    return Request.of(
        arguments.path,
        method=arguments.method,
        headers=[(name, value) for name, value in headers],
        user_agent=arguments.user_agent,
        host=arguments.host,
        scheme=arguments.scheme,
        peer=arguments.ip,
    )


def _print(request: Request, decision: Decision, proxies: Proxies, lists: Sequence[str]) -> None:
    action = paint(f"{decision.action} ({decision.status})", ACTION_COLOURS[decision.action])
    print(f"{action}, decided by {paint(decision.rule, 'bold')}")
    if decision.mode is Mode.OBSERVE and not decision.action.passes:
        print("  but the mode is `observe`: the request passes, and the log says what would have happened")
    print()
    agent = decision.agent
    if agent is None:
        print("  client     says nothing of itself")
    else:
        name = printable(agent.name) if agent.name else "no agent of the catalogue"
        operator = f" of {agent.operator}" if agent.operator else ""
        print(f"  client     {name}{operator}; purpose {agent.purpose}, identity {agent.identity}")
    if agent is not None and agent.purpose is Purpose.BROWSER and not request.header("accept-language"):
        print(
            paint("             a browser sends more than its name: add -H 'Accept-Language: …' and the like", "grey")
        )
    print(f"  address    {decision.client or 'not given'}")
    _print_walk(request, proxies)
    for line in lists or ["in no published list"] * bool(decision.client):
        print(paint(f"             {line}", "grey"))
    print(f"  path       {printable(canonical_target(request.path, request.query))}")
    print(f"  score      {decision.score}")
    for reason in decision.reasons:
        print(f"  reason     {printable(reason.evidence)}")
        print(paint(f"             {reason.signal}, weight {reason.weight}: {SIGNALS[reason.signal].meaning}", "grey"))


def _print_walk(request: Request, proxies: Proxies) -> None:
    """How the client's address was found, where there was anything to find."""
    hops = proxies.walk(request).hops
    if len(hops) > 1:
        for hop in hops:
            print(paint(f"             {printable(hop.text)}: {hop.role}", "grey"))
    elif request.header(str(proxies.field)):
        field = str(proxies.field).title()
        print(
            paint(
                f"             {field} is not read: proxies.trusted does not hold {request.peer or 'the peer'}", "grey"
            )
        )
