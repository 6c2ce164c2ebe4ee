"""The words and clauses of a locale, read from scrapeguard/data/decoys/LOCALE.

Four files for all topics: phrases.txt (words that fit any subject), clauses.txt (what can be said of any), macros.txt
(what a slot may grow into, and turns of phrase) and plans.txt (how an article of each kind is built). Each begins with
a comment that tells how to write it. And one file a topic, topics/NAME.txt, of which a site reads its own alone:

    thing: planter, goblet, bowl
    (and part, stuff, tool, who, place, do, quality, fault, event, concern, circle)
    [event]
    the {w} opened the lid an hour too soon, and {few} {ns} (cracked|split|sang) in the draught
    [heading]
    What the {w} knew

Under the kind of clause in square brackets stands what is said of the topic alone, a line each, without a stop. It may
stand beside any other. {n} {p} {m} {t} {w} {l} {v} {a} {f} {e} {c} {g} are words of the topic in that order, {ns} a
plural, {an} {aa} {at} {aw} with the article, {vd} {vn} {vg} {vz} forms of the verb; other slots are lines of
phrases.txt; <P> and the like are entities of the page (`articles`); (a|b) chooses. Two slots of one sort draw two
words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

_HEADING = re.compile(r"\[([\w -]+)\]")
_TURNS = ("synonyms", "habits", "quotes", "articles")
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


class Topic(NamedTuple):
    """A subject: its words, and what is said of it as it is written, which is long and seldom read."""

    locale: str
    name: str
    words: Words
    said: str

    def clauses(self) -> Mapping[str, tuple[str, ...]]:
        """Clauses of its own by kind, headings among them."""
        return {section.name: section.lines for section in _blocks(curly(self.said, self.locale)) if section.name}


class Lexicon(NamedTuple):
    """All words of a locale but for those of its topics, which have names here.

    Synonyms may stand for the first of them; habits are lists of partners, of which a site takes one side; quotes are
    pairs of quotation marks, of which a site uses one; articles are what it likes to say before one thing and before
    several instead of the first pair, where `-` is nothing.
    """

    locale: str
    topics: tuple[str, ...]
    phrases: Words
    clauses: Mapping[str, tuple[str, ...]]
    macros: Words
    synonyms: tuple[tuple[str, ...], ...]
    habits: tuple[tuple[tuple[str, ...], ...], ...]
    quotes: tuple[str, ...]
    articles: tuple[tuple[str, ...], ...]
    plans: tuple[Plan, ...]

    def topic(self, name: str) -> Topic:
        """The topic of that name."""
        head, mark, said = _raw(self.locale, f"topics/{name}").partition("\n[")
        return Topic(self.locale, name, _words(_lines(curly(head, self.locale))), mark + said)


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

    names = sorted(entry.name for entry in _folder(locale).joinpath("topics").iterdir())
    topics = tuple(name.removesuffix(".txt") for name in names if name.endswith(".txt"))
    _, *clauses = _blocks(_text(locale, "clauses"))
    _, *plans = _blocks(_text(locale, "plans"))
    growths = [line.split(": ", 1) for line in _lines(_text(locale, "macros"))]
    return Lexicon(
        locale,
        topics,
        _words(_lines(_text(locale, "phrases"))),
        {block.name: block.lines for block in clauses},
        {name: _alternatives(rest) for name, rest in growths if name not in _TURNS},
        tuple(_alternatives(rest) for name, rest in growths if name == "synonyms"),
        tuple(_sides(rest) for name, rest in growths if name == "habits"),
        tuple(quotes for name, rest in growths if name == "quotes" for quotes in _alternatives(rest)),
        tuple(pair for name, rest in growths if name == "articles" for pair in _sides(rest)),
        tuple(map(_plan, plans)),
    )


def _folder(locale: str) -> Traversable:
    return files("scrapeguard").joinpath("data/decoys").joinpath(locale)


def _raw(locale: str, name: str) -> str:
    return _folder(locale).joinpath(f"{name}.txt").read_text(encoding="utf-8")


def _text(locale: str, name: str) -> str:
    return curly(_raw(locale, name), locale)


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
    """What stands before the first heading, without a name, then the blocks."""
    name, lines = "", list[str]()
    for line in _lines(text):
        found = _HEADING.fullmatch(line.strip())
        if found:
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


def _sides(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(side.split(", ")) for side in _alternatives(text))
