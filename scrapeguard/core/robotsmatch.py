"""What a robots.txt says to a robot about a path, by RFC 9309."""

from __future__ import annotations

import re

from scrapeguard.core.glob import Glob
from scrapeguard.core.robotsfile import Line, Meaning, RobotsText

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ROBOTS_TXT = "/robots.txt"


def deciding_line(robots: RobotsText, token: str, target: str) -> Line | None:
    """The rule that decides on path and query for a product token; None where none matches, which allows.

    The longest rule counts, and of an Allow and a Disallow as long the Allow (RFC 9309 §2.2.2).
    """
    if target.partition("?")[0] == _ROBOTS_TXT:
        return None
    # A star or dollar of a path is a letter, which a pattern can only write with its escape (RFC 9309 §2.2.3).
    compared = comparable(target).replace("*", "%2A").replace("$", "%24")
    rules = [(comparable(line.value), line) for line in robots.rules_for(token) if line.value]
    matching = [(len(text), line.meaning is Meaning.ALLOW, line) for text, line in rules if _matches(text, compared)]
    return max(matching, key=lambda found: found[:2])[2] if matching else None


def is_allowed(robots: RobotsText, token: str, target: str) -> bool:
    """Whether a robot with this product token may fetch the path and query."""
    line = deciding_line(robots, token, target)
    return line is None or line.meaning is Meaning.ALLOW


def comparable(text: str) -> str:
    """A path or pattern in the form in which octets are compared (RFC 9309 §2.2.2).

    Octets beyond ASCII are percent-encoded, escapes of unreserved characters undone, the others in upper case.
    """
    encoded = "".join(mark if mark.isascii() else _encoded(mark) for mark in text)
    return _ESCAPE.sub(_normal_escape, encoded)


def _encoded(mark: str) -> str:
    return "".join(f"%{octet:02X}" for octet in mark.encode("utf-8", "surrogateescape"))


def _normal_escape(match: re.Match[str]) -> str:
    mark = chr(int(match[1], 16))
    return mark if mark in _UNRESERVED else match[0].upper()


def _matches(pattern: str, compared: str) -> bool:
    anchored = pattern.endswith("$")
    literal = pattern.removesuffix("$").replace("$", "%24")
    return Glob(tuple(literal.split("*")), anchored).matches(compared)
