"""Merging what the policy says into a site's own robots.txt.

Rules of this file:

- For a robot that the policy does not speak of, the merged file allows exactly what the own one did, whether it reads
  as RFC 9309 says or as Google's parser does. Therefore the site's lines are passed on verbatim, and where the two
  readings differ nothing is taken out: a removed token leaves a name behind that no robot has.
- What the policy refuses is disallowed. Therefore the tokens it speaks of are taken out of the site's groups: an
  `Allow` there that is as long as our `Disallow`, or longer, would win (RFC 9309 §2.2.2).
- An agent with a group of its own does not see `*` any more. Therefore its group begins with what applied to it before.
- Ours come first, since crawlers may stop reading after 500 KiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scrapeguard.core.robots import Group as ToldGroup
from scrapeguard.core.robots import Line as ToldLine
from scrapeguard.core.robots import padded
from scrapeguard.core.robotsfile import EVERYBODY, Group, Line, Meaning, RobotsText

NOBODY = "removed-by-scrapeguard"
"""A product token that no robot has."""


class Statements(NamedTuple):
    """What is said beside the rules: a line for every group, such as Content-Usage, and the licence of the site."""

    in_groups: tuple[tuple[str, str], ...] = ()
    license: str | None = None


SILENT = Statements()
# Who reads which other group before that for everybody, by the documentation of Google and Apple.
_HEEDS = {
    "googlebot-image": "googlebot",
    "googlebot-news": "googlebot",
    "googlebot-video": "googlebot",
    "google-inspectiontool": "googlebot",
    "storebot-google": "googlebot",
    "applebot": "googlebot",
}
_REFUSED = (ToldLine(False, "/"),)
_RULES = (Meaning.ALLOW, Meaning.DISALLOW)


class _Told:
    """What the policy tells each token, by the token in lower case; and how the token is spelled."""

    def __init__(self, own: RobotsText, told: Iterable[ToldGroup]) -> None:
        self.lines: dict[str, tuple[ToldLine, ...]] = {}
        self.spelling: dict[str, str] = {}
        for group in told:
            for token in group.tokens:
                self._tell(token, group.lines)
        if everybody := self.lines.get(EVERYBODY):
            for line in own.lines:
                if line.meaning is Meaning.AGENT and line.token not in self.lines:
                    self._tell(line.value, everybody)

    def _tell(self, token: str, lines: tuple[ToldLine, ...]) -> None:
        self.lines[token.lower()] = lines
        self.spelling[token.lower()] = token

    def speaks_of(self, line: Line) -> bool:
        """Whether a User-agent line names a token that is told something, in either reading."""
        return line.token in self.lines or (line.google_token != "" and line.google_token in self.lines)


def merge(own: RobotsText, told: Sequence[ToldGroup], statements: Statements = SILENT) -> str:
    """The merged file; surrogates stand for octets of the own file that were no UTF-8."""
    tells = _Told(own, told)
    parts = [
        _licence(own, statements),
        _refused(tells),
        *_conditional(own, tells, statements),
        *_own_parts(own, tells, statements),
    ]
    if statements.in_groups and EVERYBODY not in tells.lines and not own.names(EVERYBODY):
        parts.append(["User-agent: *", "Disallow:", *_statement_lines(statements, ())])
    parts.append([line.text for line in own.lines if _is_sitemap(line)])
    text = "\n\n".join("\n".join(part) for part in parts if part)
    return text + "\n" if text else "User-agent: *\nDisallow:\n"


def _licence(own: RobotsText, statements: Statements) -> list[str]:
    """The licence of the whole site: its own, else ours; it stands before any group (RSL 1.0)."""
    theirs = [line.text for line in own.preamble if line.key.lower() == "license"]
    return theirs or ([f"License: {statements.license}"] if statements.license else [])


def _refused(tells: _Told) -> list[str]:
    tokens = [tells.spelling[token] for token, lines in tells.lines.items() if lines == _REFUSED and token != EVERYBODY]
    return [*(f"User-agent: {token}" for token in sorted(tokens, key=str.lower)), "Disallow: /"] if tokens else []


def _conditional(own: RobotsText, tells: _Told, statements: Statements) -> list[list[str]]:
    """Groups for tokens that are told something else than to stay out; those with the same lines share one."""
    # Tokens with the same lines and the same groups are worked out once: a file may name many thousands.
    alike: dict[tuple[tuple[ToldLine, ...], tuple[int, ...]], list[str]] = {}
    for token, lines in tells.lines.items():
        if lines != _REFUSED or token == EVERYBODY:
            alike.setdefault((lines, own.groups_for(_heeded(own, token))), []).append(token)
    shared: dict[tuple[str, ...], list[str]] = {}
    for (lines, _), tokens in alike.items():
        base = own.rules_for(_heeded(own, tokens[0]))
        shared.setdefault((*(line.text for line in base), *_beside(lines, base)), []).extend(tokens)
    parts = []
    for rules, tokens in shared.items():
        heads = [f"User-agent: {tells.spelling[token]}" for token in sorted(tokens)]
        parts.append([*heads, *(rules or ("Disallow:",)), *_statement_lines(statements, ())])
    return parts


def _heeded(own: RobotsText, token: str) -> str:
    """The token whose groups a robot heeds where none is addressed to it."""
    other = _HEEDS.get(token, "")
    return token if own.names(token) or not own.names(other) else other


def _beside(lines: tuple[ToldLine, ...], base: Sequence[Line]) -> list[str]:
    """Our lines for a group that begins with the base rules, each long enough for what it must win against."""
    theirs = [ToldLine(line.meaning is Meaning.ALLOW, line.value) for line in base if line.value]
    longest = max((len(rule.pattern) for rule in theirs if rule.allowed), default=-1)
    kept = [line for line in lines if not (line.allowed and _closed_by(theirs, line.pattern))]
    exceptions = [line.pattern for line in kept if line.allowed]
    above = [rule for rule in theirs if any(_reaches_into(rule, pattern) for pattern in exceptions)]
    above.sort(key=lambda rule: (-len(rule.pattern), not rule.allowed))
    long_enough = padded([*above, *kept], least_disallow=longest + 1)
    written = [str(line) for line in kept] + [str(line) for line in long_enough]
    return list(dict.fromkeys(written))


def _closed_by(theirs: list[ToldLine], pattern: str) -> bool:
    """Whether the site's own file closes all that our exception would open."""
    covering = [rule for rule in theirs if _is_literal(rule.pattern) and pattern.startswith(rule.pattern)]
    return bool(covering) and not max(covering, key=lambda rule: (len(rule.pattern), rule.allowed)).allowed


def _reaches_into(rule: ToldLine, exception: str) -> bool:
    """Whether a rule of the site decides something inside our exception, and so must win against it."""
    return rule.pattern.startswith(exception) or (not rule.allowed and not _is_literal(rule.pattern))


def _is_literal(pattern: str) -> bool:
    return "*" not in pattern and not pattern.endswith("$")


def _own_parts(own: RobotsText, tells: _Told, statements: Statements) -> list[list[str]]:
    parts = [_own_preamble(own, tells)]
    before = own.preamble
    for group in own.groups:
        plain = _is_plain(group) and not _ends_with_agents(before)
        lines = _own_group(group, tells, plain=plain)
        before = group.lines
        if lines is not None:
            present = {line.key.lower() for line in group.lines}
            parts.append(_with_statements(lines, group, _statement_lines(statements, present)))
    return parts


def _own_preamble(own: RobotsText, tells: _Told) -> list[str]:
    """What precedes the first group, less the rules, which are for nobody.

    Where Google's parser sees a group there, it is put behind a name of nobody.
    """
    kept = [line for line in own.preamble if line.key.lower() != "license" and not _is_sitemap(line)]
    first = next((n for n, line in enumerate(kept) if line.google is Meaning.AGENT), None)
    if first is None:
        return _trimmed([line.text for line in kept if not line.is_rule and line.google not in _RULES])
    before = [line.text for line in kept[:first] if not line.is_rule and line.google not in _RULES]
    return [*before, f"User-agent: {NOBODY}", *(_without_token(line, tells) for line in kept[first:])]


def _own_group(group: Group, tells: _Told, *, plain: bool) -> list[str] | None:
    """The lines of a group without the tokens that are told something; None where nobody is left."""
    kept = [line for line in group.agents if not tells.speaks_of(line)]
    if plain:
        if not kept:
            return None
        gone = {line.number for line in group.agents} - {line.number for line in kept}
        return [line.text for line in group.lines if line.number not in gone and not _is_sitemap(line)]
    return [_without_token(line, tells) for line in group.lines if not _is_sitemap(line)]


def _is_plain(group: Group) -> bool:
    """Whether both readings agree on what each line is."""
    return all(line.meaning is line.google for line in group.lines)


def _ends_with_agents(lines: Sequence[Line]) -> bool:
    """Whether these end with User-agent lines that only Google's parser sees, which then share the next group."""
    for line in reversed(lines):
        if line.google is Meaning.AGENT:
            return line.meaning is not Meaning.AGENT
        if line.google in _RULES:
            return False
    return False


def _without_token(line: Line, tells: _Told) -> str:
    if line.google is not Meaning.AGENT or not tells.speaks_of(line):
        return line.text
    # In the shape that the line had, since parsers differ in what they take for a line without a colon.
    start = line.text.index(line.value, line.text.index(line.key) + len(line.key))
    return line.text[:start] + NOBODY + line.text[start + len(line.value) :]


def _with_statements(lines: list[str], group: Group, statements: list[str]) -> list[str]:
    """The lines of a group with ours behind its last rule; a group without rules gets one, lest it join the next."""
    lines = _trimmed(lines)
    rules = group.rules
    if not rules:
        return [*lines, "Disallow:", *statements]
    behind = len(lines) - lines[::-1].index(rules[-1].text)
    return [*lines[:behind], *statements, *lines[behind:]]


def _statement_lines(statements: Statements, present: Iterable[str]) -> list[str]:
    """Our statements, but for those that the group makes itself."""
    own = set(present)
    return [f"{key}: {value}" for key, value in statements.in_groups if key.lower() not in own]


def _is_sitemap(line: Line) -> bool:
    return line.meaning is Meaning.SITEMAP and line.google is Meaning.SITEMAP


def _trimmed(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    start = 0
    while start < end and not lines[start].strip():
        start += 1
    return lines[start:end]
