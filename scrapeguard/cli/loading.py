"""Loading the policy that a command was given."""

from __future__ import annotations

from pathlib import Path

from scrapeguard.cli import BAD_USAGE
from scrapeguard.cli.output import fail
from scrapeguard.core.policy import Policy
from scrapeguard.errors import PolicyError
from scrapeguard.rulefile.load import find_rules, load_policy


def load_or_report(rules: str | None) -> Policy | None:
    """The policy of a rule file, or of the one found; None after its problems were printed."""
    path = rules_path(rules)
    try:
        return load_policy(path)
    except PolicyError as error:
        fail(error)
        fail(f"\n{path} cannot be used: {count(len(error.problems), 'problem')}.")
        return None


def rules_path(rules: str | None) -> Path:
    """The rule file that was named, else the one that is found from the working directory.

    Raises:
        SystemExit: bad usage, since the file that was named is not there.
    """
    if not rules:
        return find_rules(Path.cwd())
    if not Path(rules).is_file():
        fail(f"there is no rule file {rules}")
        raise SystemExit(BAD_USAGE)
    return Path(rules)


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 problem`, `2 problems`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
