"""`scrapeguard explain --log`: every request of a log, decided with the past of its client, by the clock of the log."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from pathlib import Path
from typing import BinaryIO

from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.loading import load_or_report
from scrapeguard.cli.logreport import JsonReport, Place, Report, Tally, TextReport
from scrapeguard.cli.output import fail
from scrapeguard.core.address import parse_address
from scrapeguard.core.forwarded import Proxies
from scrapeguard.core.policy import Policy
from scrapeguard.core.robotsfile import RobotsText, parse
from scrapeguard.errors import ScrapeGuardError
from scrapeguard.guard import Guard
from scrapeguard.parts import new_behaviour, site_replaces
from scrapeguard.replay.lines import LineError, lines_of, read_line
from scrapeguard.replay.player import LogClock, LoggedHeaders, Player
from scrapeguard.rulefile.browsers import load_engines
from scrapeguard.secret import site_secret
from scrapeguard.verifying import Verification

STDIN = "-"
_BACKWARDS = 60.0
_JITTER = "its time is {:,.0f} s before that of a line above; sort the log, or decisions differ from those made then"


def explain_log(arguments: argparse.Namespace) -> int:
    """Print the decision on each request of the logs; 1 where a line could not be read."""
    if fault := _fault(arguments):
        fail(fault)
        return BAD_USAGE
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    try:
        own = parse(Path(arguments.robots).read_bytes() if arguments.robots else b"")
        player = _player(policy, own, arguments)
        report = JsonReport() if arguments.json else TextReport(only=arguments.ip)
        return _play(player, arguments, report)
    except OSError as error:
        if error.filename is None:
            # Not a file that is to be read: whoever reads what we print has gone.
            raise
        fail(f"cannot read {error.filename}: {error.strerror}")
        return BAD_USAGE
    except ScrapeGuardError as error:
        fail(str(error))
        return FOUND_PROBLEMS


def _fault(arguments: argparse.Namespace) -> str | None:
    """What does not go together with a log."""
    alone = {
        "--user-agent": arguments.user_agent,
        "--path": arguments.path != "/",
        "--method": arguments.method != "GET",
        "-H": arguments.headers,
        "--dns": arguments.dns,
    }
    said = [option for option, value in alone.items() if value]
    if said:
        return f"{said[0]} describes a single request; with --log the log tells, and only --ip, --host, --scheme go"
    if arguments.log.count(STDIN) > 1 or (STDIN in arguments.log and sys.stdin is None):
        return "--log -: there is one standard input, at most"
    return None


def _player(policy: Policy, own: RobotsText, arguments: argparse.Namespace) -> Player:
    # The server that wrote the log has found the addresses of clients already.
    policy = copy(policy)
    policy.proxies = Proxies()
    clock, headers = LogClock(), LoggedHeaders(load_engines())
    secret = site_secret(policy.secret, os.environ).octets if policy.traps.live else b"explain"
    verification = Verification(policy, os.environ, ask_dns=False)
    behaviour = new_behaviour(policy, secret, headers)
    guard = Guard(policy, verifier=verification.verifier, behaviour=behaviour, monotonic=clock)
    guard.replaces = site_replaces(policy, os.environ)
    return Player(guard, clock, headers, own_robots=own, host=arguments.host, scheme=arguments.scheme)


def _play(player: Player, arguments: argparse.Namespace, report: Report) -> int:
    tally = Tally()
    only = _same_form(arguments.ip)
    latest = 0.0
    for place, line in _lines(arguments.log):
        if not line:
            continue
        try:
            logged = read_line(line)
        except LineError as error:
            tally.unreadable += 1
            report.trouble(place, str(error))
            continue
        if logged.time < latest - _BACKWARDS:
            tally.backwards += 1
            report.trouble(place, _JITTER.format(latest - logged.time))
        latest = max(latest, logged.time)
        played = player.play(logged)
        if only is None or _same_form(logged.client) == only:
            tally.add(place, played)
            report.decided(place, played)
    report.end(tally)
    return FOUND_PROBLEMS if tally.unreadable or tally.backwards else FINE


def _lines(files: list[str]) -> Iterator[tuple[Place, bytes]]:
    for name in files:
        with _open(name) as stream:
            for number, line in lines_of(stream):
                yield Place(name, number), line


def _open(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb")


def _same_form(client: str | None) -> str | None:
    address = parse_address(client)
    return client if address is None else str(address)
