"""The words and clauses of a locale, read from scrapeguard/data/decoys/LOCALE.

Five files: topics.txt (subjects and their words), phrases.txt (words that fit any subject), clauses.txt (what is said),
macros.txt (what a slot may grow into) and plans.txt (how an article of each kind is built). Each begins with a comment
that tells how to write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import NamedTuple

_FIELD = re.compile(r"(?:title|section|topics|terms): ")
Words = Mapping[str, tuple[str, ...]]


class Block(NamedTuple):
    """A heading in square brackets and the lines under it."""

    name: str
    lines: tuple[str, ...]


class Step(NamedTuple):
    """A line of a plan: its tag (p, h, item, term), alternatives or kinds of clause, and whether it may be left out."""

    tag: str
    values: tuple[str, ...]
    optional: bool


class Plan(NamedTuple):
    """A kind of article; no topics means that it suits all."""

    kind: str
    section: str
    topics: frozenset[str]
    titles: tuple[str, ...]
    terms: tuple[str, ...]
    steps: tuple[Step, ...]


class Lexicon(NamedTuple):
    """All words of a locale."""

    locale: str
    topics: Mapping[str, Words]
    phrases: Words
    clauses: Mapping[str, tuple[str, ...]]
    macros: Words
    synonyms: tuple[tuple[str, ...], ...]
    plans: tuple[Plan, ...]


def locales() -> list[str]:
    """The locales there are words for."""
    return sorted(entry.name for entry in files("scrapeguard").joinpath("data/decoys").iterdir() if entry.is_dir())


def load(locale: str) -> Lexicon:
    """The words of a locale.

    Raises:
        ValueError: there are none; the message names those there are.
    """
    known = locales()
    if locale not in known:
        raise ValueError(f"no decoys in locale {locale!r}: choose one of {', '.join(known)}")

    def text(name: str) -> str:
        folder = files("scrapeguard").joinpath("data/decoys").joinpath(locale)
        return curly(folder.joinpath(f"{name}.txt").read_text(encoding="utf-8"), locale)

    topics = {block.name: _words(block.lines) for block in _blocks(text("topics"))}
    clauses = {block.name: block.lines for block in _blocks(text("clauses"))}
    plans = tuple(_plan(block) for block in _blocks(text("plans")))
    growths = [line.split(": ", 1) for line in _lines(text("macros"))]
    macros = {name: _alternatives(rest) for name, rest in growths if name != "synonyms"}
    synonyms = tuple(_alternatives(rest) for name, rest in growths if name == "synonyms")
    return Lexicon(locale, topics, _words(_lines(text("phrases"))), clauses, macros, synonyms, plans)


def curly(text: str, locale: str) -> str:
    """The text with the quotation marks of the locale, which need no escape in HTML, XML or JSON."""
    opening, closing = ("„", "“") if locale.startswith("de") else ("“", "”")
    text = re.sub(r'"([^"\n]*)"', rf"{opening}\1{closing}", text)
    return text.replace("'", "\u2019")


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        # A clause may begin with a space, and an opening may end with one.
        if line.strip() and not line.startswith("#"):
            yield line


def _blocks(text: str) -> Iterator[Block]:
    name, lines = "", list[str]()
    for line in _lines(text):
        found = re.fullmatch(r"\[([\w -]+)\]", line.strip())
        if found:
            if name:
                yield Block(name, tuple(lines))
            name, lines = found[1], []
        else:
            lines.append(line)
    yield Block(name, tuple(lines))


def _words(lines: Iterator[str] | tuple[str, ...]) -> Words:
    found = {}
    for line in lines:
        name, _, words = line.partition(":")
        found[name.strip()] = tuple(dict.fromkeys(word.strip() for word in words.split(",")))
    return found


def _plan(block: Block) -> Plan:
    fields = dict(line.split(": ", 1) for line in block.lines if _FIELD.match(line))
    steps = tuple(_step(line) for line in block.lines if not _FIELD.match(line))
    topics = frozenset(fields.get("topics", "").split())
    titles, terms = _alternatives(fields["title"]), _alternatives(fields.get("terms", ""))
    return Plan(block.name, fields["section"].strip(), topics, titles, terms, steps)


def _step(line: str) -> Step:
    tag, _, rest = line.partition(" ")
    optional = tag.startswith("[")
    tag = tag.strip("[]")
    values = _alternatives(rest) if tag == "h" else tuple(rest.split())
    return Step(tag, values, optional)


def _alternatives(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(" | "))
