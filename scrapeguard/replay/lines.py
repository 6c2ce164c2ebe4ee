"""Reading what was logged of requests: access logs in combined format, and the events of scrapeguard.

Rules of this file:

- What a log does not tell is not taken for absent: it stays unknown, and who plays it must not hold it against anybody.
- A line that cannot be read is an error that says why. None is left out silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from scrapeguard.core.decision import Action
from scrapeguard.core.signals import SIGNALS, Evidence
from scrapeguard.errors import ScrapeGuardError

MAX_LINE = 65_536
"""Octets of a line."""
_MAX_REASONS = 64

# nginx and Apache; a virtual host with its port may stand before it (Apache's vhost_combined), anything after it.
_COMBINED = re.compile(
    rb"(?:(?P<host>[^\s:]{1,255})(?::\d{1,5} | (?=[0-9a-fA-F.:]+ \S+ \S+ \[)))?"
    rb'(?P<client>\S+) \S+ [^\["]*\[(?P<time>[^\]]{1,64})\] '
    rb'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?:\d+|-)'
    rb'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
_TIME = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})|\\(.)")
_REQUEST = re.compile(rb"([A-Z][A-Z0-9_-]*) (\S+)(?: HTTP/\d(?:\.\d)?)?")


class LineError(ScrapeGuardError):
    """A line of a log from which no request can be told."""


class Logged(NamedTuple):
    """One request as a log tells of it.

    `time` is in seconds since the epoch. `referrer` is None where the client sent none, and where `knows_referrer` is
    False nobody knows. `status` is that of the answer, None where it is unknown. `seen` are signs that were written
    down then, and `action` what was done about them.
    """

    time: float
    client: str | None
    method: str
    target: str
    host: str
    user_agent: bytes | None
    referrer: str | None = None
    knows_referrer: bool = False
    status: int | None = None
    seen: tuple[Evidence, ...] = ()
    action: Action | None = None


def lines_of(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of a log with their numbers, from 1; one that is too long is cut one octet after the limit."""
    number = 0
    while line := stream.readline(MAX_LINE + 2):
        number += 1
        rest = line
        while not rest.endswith(b"\n") and (rest := stream.readline(MAX_LINE)):
            pass
        yield number, line.rstrip(b"\r\n")


def read_line(line: bytes) -> Logged:
    """The request that a line tells of.

    Raises:
        LineError: it tells of none, or leaves out what is needed.
    """
    if len(line) > MAX_LINE:
        raise LineError(f"longer than {MAX_LINE:,} octets")
    return _event(line) if line.startswith(b"{") else _combined(line)


def _combined(line: bytes) -> Logged:
    found = _COMBINED.match(line)
    if found is None:
        raise LineError("neither a line of the combined format nor an event")
    if found["agent"] is None:
        raise LineError("it tells neither referrer nor User-Agent; log in the combined format")
    request = _REQUEST.fullmatch(_unescaped(found["request"]))
    if request is None:
        raise LineError("there is no request in it that could be read")
    host, target = _target(request[2].decode("latin-1"))
    referrer, agent = _unescaped(found["referrer"]), _unescaped(found["agent"])
    return Logged(
        _time(found["time"]),
        found["client"].decode("latin-1"),
        request[1].decode(),
        target,
        host or (found["host"] or b"").decode("latin-1"),
        None if agent in (b"-", b"") else agent,
        None if referrer in (b"-", b"") else referrer.decode("latin-1"),
        knows_referrer=True,
        status=None if found["status"] == b"-" else int(found["status"]),
    )


def _unescaped(octets: bytes) -> bytes:
    """What a server wrote with a backslash, as it was."""
    if b"\\" not in octets:
        return octets
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], octets)


def _target(text: str) -> tuple[str, str]:
    """The host, where the request line names one, and path and query."""
    if text.startswith("/"):
        return "", text
    try:
        url = urlsplit(text)
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.netloc:
        raise LineError("what it asks for is no path")
    return url.netloc, f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"


def _time(text: bytes) -> float:
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        raise LineError("its time is not written as 22/Nov/2026:09:00:00 +0000")
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    offset = timedelta(hours=int(found[8]), minutes=int(found[9])) * (1 if found[7] == b"+" else -1)
    try:
        # A leap second is the last of its minute, as clocks show it.
        zone = timezone(offset)
        return datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, min(second, 59), tzinfo=zone).timestamp()
    except (ValueError, OverflowError) as error:
        raise LineError(f"its time is none: {error}") from None


def _event(line: bytes) -> Logged:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise LineError("it begins like an event, but is no JSON") from None
    if "events_lost" in said:
        raise LineError(f"{said['events_lost']!r} events were lost here, when it was written")
    try:
        return _read_event(said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LineError(f"it is no event of scrapeguard: {type(error).__name__} {error}") from None


def _read_event(said: Mapping[str, Any]) -> Logged:
    time = datetime.fromisoformat(said["time"])
    path, agent, client = said["path"], said["user_agent"], said["client"]
    if not path.startswith("/"):
        raise LineError("what it asks for is no path")
    action = Action(said["action"])
    return Logged(
        (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp(),
        None if client is None else str(client),
        str(said["method"]),
        path,
        str(said["host"]),
        None if agent is None else agent.encode("latin-1"),
        status=int(said["status"]) if said["enforced"] and not action.passes else None,
        seen=tuple(_evidence(one) for one in said["reasons"][:_MAX_REASONS]),
        action=action,
    )


def _evidence(said: Mapping[str, Any]) -> Evidence:
    if said["signal"] not in SIGNALS:
        raise ValueError(f"unknown signal {said['signal']!r:.80}")
    return Evidence(said["signal"], str(said["evidence"]))
