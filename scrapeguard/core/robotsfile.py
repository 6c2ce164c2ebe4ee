"""Reading a site's own robots.txt: its lines, what each means to the RFC and to Google's parser, and its groups.

The file is kept as lines, verbatim: crawlers read the same text in different ways (Google's parser forgives typing
errors that RFC 9309 ignores), and only a line that is passed on as it stands means to each of them what it meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

MAX_SIZE = 500 * 1024
"""Octets that crawlers read at least (RFC 9309 §2.5); what is beyond is cut off, at the end of a line."""

EVERYBODY = "*"
"""The product token that stands for every robot without a group of its own."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_BOMS = (b"\xef\xbb\xbf", b"\xef\xbb", b"\xef")


class Meaning(Enum):
    """What a line is."""

    AGENT = "user-agent"
    ALLOW = "allow"
    DISALLOW = "disallow"
    SITEMAP = "sitemap"
    OTHER = "other"
    NOTHING = "nothing"


_EXACT = {"user-agent": Meaning.AGENT, "allow": Meaning.ALLOW, "disallow": Meaning.DISALLOW, "sitemap": Meaning.SITEMAP}
# Google's parser compares beginnings, and forgives these (google/robotstxt robots.cc, ParsedRobotsKey).
_FORGIVEN = {
    Meaning.AGENT: ("user-agent", "useragent", "user agent"),
    Meaning.ALLOW: ("allow",),
    Meaning.DISALLOW: ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"),
    Meaning.SITEMAP: ("sitemap", "site-map"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it stands, split at its colon, with what it means to each reading."""

    number: int
    text: str
    key: str = ""
    value: str = ""
    meaning: Meaning = Meaning.NOTHING
    """By RFC 9309 §2.2."""
    google: Meaning = Meaning.NOTHING
    """To Google's parser."""

    @property
    def is_rule(self) -> bool:
        """Whether it is Allow or Disallow by the RFC."""
        return self.meaning in (Meaning.ALLOW, Meaning.DISALLOW)

    @property
    def token(self) -> str:
        """The product token of a User-agent line, in lower case."""
        return self.value.lower()

    @property
    def google_token(self) -> str:
        """The token that Google's parser reads: cut at the first octet outside `A-Za-z_-`."""
        if self.value.startswith("*") and (len(self.value) == 1 or self.value[1].isspace()):
            return EVERYBODY
        match = re.match(r"[A-Za-z_-]*", self.value)
        return match.group().lower() if match else ""


@dataclass(slots=True)
class Group:
    """User-agent lines and what follows them until the next, by the RFC's reading."""

    agents: list[Line] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    """All lines of the group in their order, its User-agent lines too."""

    @property
    def tokens(self) -> list[str]:
        """The tokens in lower case."""
        return [line.token for line in self.agents]

    @property
    def rules(self) -> list[Line]:
        """Its Allow and Disallow lines."""
        return [line for line in self.lines if line.is_rule]


@dataclass(slots=True)
class RobotsText:
    """A robots.txt: what precedes the first group, the groups, and whether it was cut."""

    preamble: list[Line]
    groups: list[Group]
    lines: list[Line]
    cut: bool = False

    _by_token: dict[str, list[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_token = {}
        for position, group in enumerate(self.groups):
            for token in dict.fromkeys(group.tokens):
                self._by_token.setdefault(token, []).append(position)

    def groups_for(self, token: str) -> tuple[int, ...]:
        """The positions of the groups that apply to a token: its own, else those of `*` (RFC 9309 §2.2.1)."""
        return tuple(self._by_token.get(token.lower()) or self._by_token.get(EVERYBODY) or ())

    def rules_for(self, token: str) -> list[Line]:
        """The rules that apply to a token."""
        return [line for position in self.groups_for(token) for line in self.groups[position].rules]

    def names(self, token: str) -> bool:
        """Whether a group is addressed to the token."""
        return token.lower() in self._by_token


def parse(data: bytes) -> RobotsText:
    """The file as lines and groups; any octets are a robots.txt."""
    for bom in _BOMS:
        if data.startswith(bom):
            data = data[len(bom) :]
            break
    data, cut = _bounded(data)
    texts = _LINE_END.split(data.decode("utf-8", "surrogateescape"))
    if texts and not texts[-1]:
        texts.pop()
    lines = [read_line(number, text) for number, text in enumerate(texts, start=1)]
    return _grouped(lines, cut)


def read_line(number: int, text: str) -> Line:
    """A line, split and understood."""
    content = text.partition("#")[0].strip(" \t\0")
    if not content:
        return Line(number, text)
    key, colon, value = content.partition(":")
    if not colon:
        # Google's parser takes two words without a colon for key and value; to the RFC the line is nothing.
        words = content.split()
        key, value = words if len(words) == 2 else (content, "")
        google = _google_meaning(key) if len(words) == 2 else Meaning.OTHER
        return Line(number, text, key, value, Meaning.OTHER, google)
    key, value = key.strip(" \t"), value.strip(" \t")
    return Line(number, text, key, value, _EXACT.get(key.lower(), Meaning.OTHER), _google_meaning(key))


def _google_meaning(key: str) -> Meaning:
    lowered = key.lower()
    return next((meaning for meaning, beginnings in _FORGIVEN.items() if lowered.startswith(beginnings)), Meaning.OTHER)


def _bounded(data: bytes) -> tuple[bytes, bool]:
    if len(data) <= MAX_SIZE:
        return data, False
    end = max(data.rfind(b"\n", 0, MAX_SIZE), data.rfind(b"\r", 0, MAX_SIZE))
    return data[: end + 1 if end >= 0 else 0], True


def _grouped(lines: list[Line], cut: bool) -> RobotsText:
    preamble: list[Line] = []
    groups: list[Group] = []
    expects_agents = False
    for line in lines:
        if line.meaning is Meaning.AGENT:
            if not expects_agents:
                groups.append(Group())
                expects_agents = True
            groups[-1].agents.append(line)
            groups[-1].lines.append(line)
            continue
        if line.is_rule:
            expects_agents = False
        (groups[-1].lines if groups else preamble).append(line)
    return RobotsText(preamble, groups, lines, cut)
