"""Clauses to forms: a form is a format string and the numbers of the banks that fill it.

What is chosen once for a site: which clauses it knows, which openings and tails go with them, what its slots grow into.
What is chosen for each page: the words. So two sites share few sentences, and a page costs one draw of bytes and one
join.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import NamedTuple

from scrapeguard.decoys.banks import Banks, capital
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.habits import Habits

ENOUGH = 800
"""A form that can be filled in fewer ways grows."""

SMALL = tuple(f"k{number}" for number in range(9))
BIG = tuple(f"b{number}" for number in range(11))
YEARS = tuple(f"y{number}" for number in range(9))
"""The figures of a page: 2 to 999, up to 65,535, and years from 1890 to 2007 in their order, none twice."""
FIGURES: Mapping[str, Sequence[str]] = {"{num}": SMALL, "{big}": BIG, "{year}": YEARS}
"""The slots that they fill."""

_ALIASES = {
    "an": "a.n",
    "aa": "a.a",
    "at": "a.t",
    "aw": "a.w",
    "ap": "a.p",
    "af": "a.f",
    "ae": "a.e",
    "aadj": "a.adj",
    "akin": "a.kin",
    "amade": "a.made",
    "acolour": "a.colour",
    "aobject": "a.object",
}
_ARTICLE = re.compile(r"\b[Aa] \{([a-z]+)\}")
_ARTICLE_OF_NOUN = re.compile(r"\b[Aa] \{([nptwfe])\}")
_PLURAL = re.compile(r"\{([a-z]+)\}s\b")
_ALIAS = re.compile(r"\{(a[a-z]+)\}")
_UNREAD = re.compile(r"[{}|]")
# Between two sentences of one clause.
_NEXT = re.compile(r"(?<=[.!?]) (?=[\u201c<A-Z])|(?<=[.!?]\u201d) (?=[\u201c<A-Z])")
_STOPPED = re.compile(r"[.!?][”“]$")
_SLOT = re.compile(r"\{!?([a-z.]+)\}")
_NUMBERS = re.compile(r"<(num2?|small|min)>")
_TOKEN = re.compile(r"\{([a-z.]+)\}|<(\w+)>|\(([^(){}<>|]*\|[^(){}<>]*)\)")
_CHOICE = re.compile(r"\(([^()|]*\|[^()]*)\)")
# What stands in an opening's place already.
_OPENED = re.compile(
    r"(?:about|according|after|although|as|at|because|before|between|by|during|for|from|if|in|of|on|only|over|since|to|"
    r"towards|under|until|when|where|while|with|within)\b"
)
# It is told by somebody already, or dated: who says so, or when it was, would be said twice.
_TOLD = re.compile(r"\b(?:said|says?|told|asked|wrote|writes|according|recalled|believes?|I|we|my|our)\b|\u201c")
_DATED = re.compile(r"\{year\}|\b(?:has|have|is|are|will)\b")
_DATES = re.compile(r"\{(?:year|month|nth)\}|\bcentury\b")
# What somebody has done since then, who is alive.
_SINCE = re.compile(r"\b((?:has|have|had not|is|are)\b[^.]*) since (?:\{month\} )?\{year\}")
# With words to draw among them, or the article of what follows.
_OPEN_CHOICE = re.compile(r"\([^()|]*[{<][^()]*\)|\([^()]*\|[^()]*[{<][^()]*\)|[(| ][Aa](?:\||\) \{)")


class Form(NamedTuple):
    """A sentence but for its words: `%s` for each bank; `%%(name)s`, which one filling leaves as `%(name)s`."""

    text: str
    banks: tuple[int, ...]


def banks_in(forms: Iterable[Sequence[Form]]) -> set[int]:
    """The numbers of the banks that fill these forms."""
    return {number for some in forms for form in some for number in form.banks}


class Taste(NamedTuple):
    """How many clauses of a hundred get an opening and a tail; whether they can be told ("it is said that ...").

    With no tails no clause gets one, however few words it has.
    """

    opening: int
    tail: int
    told: bool = True


class Sides(NamedTuple):
    """The openings and tails that a site knows."""

    openings: Sequence[str]
    tails: Sequence[str]


class Compiler:
    """Compiles clauses for one site."""

    def __init__(self, banks: Banks, draws: Draws, habits: Habits) -> None:
        self._banks = banks
        self._draws = draws
        self._habits = habits

    def form(self, text: str, *, stop: str = "") -> Form:
        """The form of a text, which gets a capital and ends with `stop`."""
        return self._forms(self._chosen(self._habits.turned(text, self._draws)), stop, 1)[0]

    def _forms(self, text: str, stop: str, count: int) -> list[Form]:
        """So many forms of a text, which differ in what is chosen where it leaves a choice of words."""
        text = _plain(self._figured(text))
        text += "" if _STOPPED.search(text) else stop
        pieces, banks, choices = list[str](), list[int](), list[tuple[int, list[str]]]()
        seen = Counter[str]()
        end = 0
        for token in _TOKEN.finditer(text):
            literal = text[end : token.start()]
            first = not pieces and literal in ("", "“", "„")
            pieces.append(capital(literal) if not pieces else literal)
            end = token.end()
            slot, entity, words = token.groups()
            if slot:
                turns = "~" * seen[_root(slot)]
                seen[_root(slot)] += 1
                pieces.append("%s")
                banks.append(self._banks.number(f"{'^' if first else ''}{turns}{slot}"))
            elif entity:
                pieces.append(f"%%({_capital_entity(entity) if first else entity})s")
            else:
                choices.append((len(pieces), [capital(word) if first else word for word in words.split("|")]))
                pieces.append("")
        pieces.append(text[end:] if pieces else capital(text))
        if _UNREAD.search("".join(pieces)):
            raise ValueError(f"a slot or choice that cannot be read: {text!r}")
        return [
            Form(self._habits.quoted(self._joined(pieces, choices)), tuple(banks))
            for _ in range(count if choices else 1)
        ]

    def _joined(self, pieces: list[str], choices: Sequence[tuple[int, Sequence[str]]]) -> str:
        for place, words in choices:
            pieces[place] = self._draws.choice(words)
        return "".join(pieces)

    def own(self, clause: str, count: int) -> tuple[Form, ...]:
        """At most so many forms of a clause that stands by itself."""
        sentences = _NEXT.split(self._turned(clause))
        text = " ".join([self._habits.grown(sentence, self._enough, self._draws) for sentence in sentences])
        if _OPEN_CHOICE.search(text):
            text = self._chosen(text)
        return tuple(dict.fromkeys(self._forms(text, ".", count)))

    def _turned(self, clause: str) -> str:
        """The clause in the words of the site; what has an article before it does not grow."""
        return _ARTICLE_OF_NOUN.sub(r"{a.\1}", self._habits.turned(_with_slots(clause), self._draws))

    def _figured(self, text: str) -> str:
        """The text with figures of the page in the slots for them, no figure twice, and years in their order."""
        text = _SINCE.sub(r"\1 since <L>", _with_slots(text))
        for slot, names in FIGURES.items():
            if slot not in text:
                continue
            count = text.count(slot)
            first = self._draws.below(max(1, len(names) - count + 1))
            for place in range(count):
                text = text.replace(slot, f"<{names[(first + place) % len(names)]}>", 1)
        return text

    def _chosen(self, text: str) -> str:
        """The text with one of each alternatives taken, which may hold slots."""
        while found := _CHOICE.search(text):
            text = text[: found.start()] + self._draws.choice(found[1].split("|")) + text[found.end() :]
        return text

    def _enough(self, text: str) -> bool:
        """Whether a text can be filled in ways enough, by words and by choices of words."""
        ways = prod(map(self._banks.size, _SLOT.findall(text)))
        return ways >= ENOUGH or ways * prod(1 + words.count("|") for words in _CHOICE.findall(text)) >= ENOUGH

    def sentence(self, clause: str, sides: Sides, taste: Taste) -> Form:
        """A form of a clause: with alternatives, growths, an opening and a tail that are drawn for it."""
        clause = self._turned(clause)
        sides = _fitting(sides, clause)
        opens = sides.openings and self._draws.percent(taste.opening) and not _OPENED.match(clause)
        opening = self._opening(sides, taste) if opens else ""
        tail = self._draws.choice(sides.tails) if sides.tails and self._draws.percent(taste.tail) else ""
        text = self._habits.grown(self._chosen(f"{opening.lstrip()}{clause}{tail.rstrip()}"), self._enough, self._draws)
        if taste.tail and sides.tails and not tail and not self._enough(text):
            # What has few words of its own would be said again and again.
            tail = self._draws.choice(sides.tails)
            text = self._habits.grown(self._chosen(f"{text}{tail.rstrip()}"), self._enough, self._draws)
        return self._forms(text, ".", 1)[0]

    def _opening(self, sides: Sides, taste: Taste) -> str:
        told = [one for one in sides.openings if taste.told or one.endswith((", ", ": "))]
        return self._draws.choice(told) if told else ""


TASTES: Mapping[str, Taste] = {
    "quote": Taste(0, 0),
    "define": Taste(0, 0),
    "change": Taste(0, 10),
    "need": Taste(0, 0),
    "answer": Taste(5, 15, told=False),
    "howto": Taste(5, 15, told=False),
}
MOST_SIDES = 17
"""Of the other kinds a site opens fewer than so many of a hundred, and as many get a tail."""


def _fitting(sides: Sides, clause: str) -> Sides:
    """The openings and tails that say nothing twice of a clause."""
    if _TOLD.search(clause):
        return Sides((), ())
    if not _DATED.search(clause):
        return sides
    return Sides(*([text for text in side if not _DATES.search(text)] for side in sides))


def _with_slots(text: str) -> str:
    """The text with slots in place of the figures that stand as entities."""
    return _NUMBERS.sub(r"{\1}", text) if "<" in text else text


def _plain(text: str) -> str:
    """The text with plain slots: an article or a plural is a bank of its own."""
    # Most texts have none of these, and thousands are read at start.
    if "a {" in text or "A {" in text:
        text = _ARTICLE.sub(r"{a.\1}", text)
    if "}s" in text:
        text = _PLURAL.sub(r"{s.\1}", text)
    if "{a" in text:
        text = _ALIAS.sub(lambda slot: f"{{{_ALIASES.get(slot[1], slot[1])}}}", text)
    return text.replace("%", "%%%%")


def _root(name: str) -> str:
    """What the forms of one word have in common, whose banks run alike: n, ns and a.n; v, vd and vg."""
    base = name.rpartition(".")[2]
    return base[:2] if base.startswith("gv") else base[0] if len(base) <= 2 else base


def _capital_entity(name: str) -> str:
    return {"he": "He", "his": "His", "G": "^G"}.get(name, name)
