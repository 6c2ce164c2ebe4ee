"""`scrapeguard classify`: user agents, one a line, to what they are and what would happen."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import count, load_or_report
from scrapeguard.cli.output import ACTION_COLOURS, fail, print_json, table
from scrapeguard.core.decision import Decision
from scrapeguard.core.request import Request
from scrapeguard.guard import Guard

_MAX_LINE = 65_536
_LOG_LINE = re.compile(rb"\S+ \S+ \S+ \[[^]]+\] \"")


def run(arguments: argparse.Namespace) -> int:
    """Classify each line of a file or of standard input."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    guard = Guard(policy)
    if arguments.file == "-" and sys.stdin is None:
        fail("there is no standard input to read; name a file")
        return BAD_USAGE
    try:
        source = _open(arguments.file)
    except OSError as error:
        fail(f"cannot read {arguments.file}: {error.strerror}")
        return BAD_USAGE
    with source as stream:
        decided = ((line, guard.assess(Request(user_agent=line or None))) for line in _lines(stream))
        if arguments.json:
            for line, decision in decided:
                print_json({"user_agent": line.decode("utf-8", "replace"), **decision.to_json()})
        else:
            _print(list(decided))
    return FINE


def _open(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(_MAX_LINE):
        yield line.rstrip(b"\r\n")


def _print(decided: list[tuple[bytes, Decision]]) -> None:
    if any(_LOG_LINE.match(line) for line, _ in decided[:10]):
        fail("these look like lines of an access log; take the user agents out first, for the combined format with")
        fail("  awk -F'\"' '{print $(NF-1)}' access.log | scrapeguard classify\n")
    rows = []
    for line, decision in decided:
        agent = decision.agent
        purpose, name = (str(agent.purpose), agent.name or "-") if agent else ("unknown", "-")
        rows.append((str(decision.action), purpose, name, line.decode("utf-8", "replace")))
    table(("ACTION", "PURPOSE", "NAME", "USER-AGENT"), rows, colours={0: ACTION_COLOURS})
    refused = sum(not decision.action.passes for _, decision in decided)
    print(f"\n{count(len(decided), 'user agent')}, {refused:,} refused.")
