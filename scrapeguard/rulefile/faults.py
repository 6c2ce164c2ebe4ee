"""What can be wrong with a text that a rule file holds: each function returns the fault, or None."""

from __future__ import annotations

import re
from importlib.util import find_spec
from math import inf
from urllib.parse import urlsplit

from scrapeguard.core.address import parse_address
from scrapeguard.core.rates import Rate

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STORE_SCHEMES = ("valkey://", "valkeys://", "redis://", "rediss://", "unix://")
_RESERVED_NAME = re.compile(r"(agents|thresholds|sharing)\..*|default|on_error|traps|decoys\.replace")


def method_fault(text: str) -> str | None:
    """A method that is no word of letters (RFC 9110 §9.1; all registered ones are)."""
    return None if text.isascii() and text.replace("-", "").isalpha() else "letters only"


def host_fault(text: str) -> str | None:
    """A host pattern that could match no Host field."""
    if any(mark in text for mark in "/:@ ") and not text.startswith("["):
        return "no scheme, path or port"
    if not text.isascii():
        return f"write it as browsers send it: {_punycode(text)}"
    if text.endswith("."):
        return "no final dot"
    return "`*` stands only at the beginning, as in *.example.org" if "*" in text.removeprefix("*.") else None


_RATE = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,3})?(s|min|h|d)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
MAX_WINDOW = 86400.0


def rate_of(text: str) -> Rate | None:
    """The rate in a text such as `10/s`, `100/min` or `20/30s`; None where there is none, or its time is over a day."""
    match = _RATE.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[2] or 1) * _SECONDS[match[3]]
    return Rate(int(match[1]), seconds) if seconds <= MAX_WINDOW else None


def rate_fault(text: str) -> str | None:
    """A text that is no rate."""
    return None if rate_of(text) else "a number, a slash and a time in s, min, h or d, of a day at most"


_AGE = re.compile(r"([1-9][0-9]{0,8})(s|min|h|d)")
NEVER = "never"
LEAST_AGE, MOST_AGE = 86_400.0, 36_500 * 86_400.0
_SIZE = re.compile(r"([1-9][0-9]{0,5})(kB|MB|GB)")
_OCTETS = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
LEAST_SIZE, MOST_SIZE = 2_000_000, 1_000_000_000_000


def age_of(text: str) -> float | None:
    """The seconds in a text such as `730d`, infinite for `never`; None where it says none, or too few or too many."""
    if text == NEVER:
        return inf
    match = _AGE.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0.0
    return seconds if LEAST_AGE <= seconds <= MOST_AGE else None


def age_fault(text: str) -> str | None:
    """A text that is no age."""
    return None if age_of(text) else "a number and s, min, h or d, of a day at least and a hundred years at most"


def size_of(text: str) -> int | None:
    """The octets in a text such as `512MB`; None where it says none, or too few or too many."""
    match = _SIZE.fullmatch(text)
    octets = int(match[1]) * _OCTETS[match[2]] if match else 0
    return octets if LEAST_SIZE <= octets <= MOST_SIZE else None


def size_fault(text: str) -> str | None:
    """A text that is no size."""
    return None if size_of(text) else "a number and kB, MB or GB, 2MB at least and 1000GB at most"


def store_fault(text: str) -> str | None:
    """A text that names no store."""
    if text == "memory" or (text.startswith("sqlite:") and len(text) > len("sqlite:")):
        return None
    if not text.startswith(_STORE_SCHEMES):
        return "memory, sqlite:FILE, or valkey://HOST:PORT/0"
    if find_spec("redis") is None:
        return 'this needs an extra: pip install "scrapeguard[valkey]"'
    return None


def cookie_fault(text: str) -> str | None:
    """A name that no cookie has (RFC 6265 §4.1.1)."""
    return None if _TOKEN.fullmatch(text) else "a name without spaces, `=` or `;`"


def header_fault(text: str) -> str | None:
    """A header name that is no token (RFC 9110 §5.1)."""
    return None if _TOKEN.fullmatch(text) else "a name of ASCII letters, digits and hyphens"


def address_fault(text: str) -> str | None:
    """A text that is no IP address."""
    return None if parse_address(text) else "neither IPv4 nor IPv6"


def contact_fault(text: str) -> str | None:
    """A contact that is neither an e-mail address nor a URL that browsers follow."""
    if re.fullmatch(r"(mailto:)?[^@\s<>\"]+@[^@\s<>\"]+", text):
        return None
    parts = urlsplit(text)
    if parts.scheme in ("http", "https") and parts.hostname:
        return None
    return "neither an e-mail address nor an http(s) URL"


def url_fault(text: str) -> str | None:
    """A text that is no http(s) URL in ASCII."""
    parts = urlsplit(text)
    good = parts.scheme in ("http", "https") and parts.hostname and text.isascii() and text.isprintable()
    return None if good else "not an http(s) URL in ASCII"


def name_fault(text: str) -> str | None:
    """A rule name that decisions use for something else."""
    return "that name is taken by the policy itself" if _RESERVED_NAME.fullmatch(text) else None


def _punycode(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return "in ASCII (punycode)"
