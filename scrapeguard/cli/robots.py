"""`scrapeguard robots`: the robots.txt as it is served."""

from __future__ import annotations

import argparse

from scrapeguard.cli import FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import load_or_report
from scrapeguard.cli.output import fail, print_json
from scrapeguard.core.decision import Mode
from scrapeguard.core.robots import groups, render


def run(arguments: argparse.Namespace) -> int:
    """Print the robots.txt of a host."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    site = policy.site(arguments.host)
    if site.mode is Mode.OBSERVE:
        fail("the mode is `observe`: this file is not served yet")
    if not arguments.json:
        print(render(site, policy.catalogue, arguments.host), end="")
        return FINE
    for group in groups(site, policy.catalogue, arguments.host):
        print_json({"user_agents": group.tokens, "rules": [str(line) for line in group.lines]})
    return FINE
