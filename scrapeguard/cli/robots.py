"""`scrapeguard robots`: the robots.txt as it is served, merged with the site's own."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import count, load_or_report
from scrapeguard.cli.output import fail, print_json, printable
from scrapeguard.core.decision import Mode
from scrapeguard.core.optout import Place, origin_of, statements
from scrapeguard.core.policy import Policy
from scrapeguard.core.robots import groups
from scrapeguard.core.robotsfile import RobotsText, parse
from scrapeguard.core.robotslint import Note, lint
from scrapeguard.core.robotsmerge import merge
from scrapeguard.parts import closed_paths


def run(arguments: argparse.Namespace) -> int:
    """Print the robots.txt of a host; with a file of the site's own, what is wrong in it on standard error."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    own = parse(b"")
    if arguments.merge:
        try:
            own = parse(Path(arguments.merge).read_bytes())
        except OSError as error:
            fail(f"cannot read {arguments.merge}: {error.strerror}")
            return BAD_USAGE
    if policy.site(arguments.host).mode is Mode.OBSERVE:
        fail("the mode is `observe`: this file is not served yet")
    return _print(policy, arguments, own)


def _print(policy: Policy, arguments: argparse.Namespace, own: RobotsText) -> int:
    site = policy.site(arguments.host)
    told = groups(site, policy.catalogue, arguments.host, closed=closed_paths(policy, os.environ))
    notes = lint(own, told, site)
    said = statements(Place(site, origin_of("https", arguments.host)))
    text = merge(own, told, said).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if arguments.json:
        print_json({"robots_txt": text, "notes": [note._asdict() for note in notes]})
    else:
        print(text, end="")
        _print_notes(arguments.merge, notes)
    return FOUND_PROBLEMS if notes else FINE


def _print_notes(name: str | None, notes: list[Note]) -> None:
    if name is None:
        return
    fail("" if not notes else "\n" + "\n".join(f"{name}:{note.line}: {printable(note.message)}" for note in notes))
    fail(f"{name}: {count(len(notes), 'note')}.")
