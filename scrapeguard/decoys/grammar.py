"""Clauses to forms: a form is a format string and the numbers of the banks that fill it.

What is chosen once for a site: which clauses it knows, which openings and tails go with them, what its slots grow into.
What is chosen for each page: the words. So two sites share few sentences, and a page costs one draw of bytes and one
join.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

from scrapeguard.decoys.banks import Banks, capital
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.habits import Habits

ENOUGH = 2_000
"""A form that can be filled in fewer ways grows."""

SMALL = tuple(f"k{number}" for number in range(9))
BIG = tuple(f"b{number}" for number in range(11))
YEARS = tuple(f"y{number}" for number in range(9))
"""The figures of a page, up to 999, up to 66,535 and from 1890 to 2007."""
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
_STOPPED = re.compile(r"[.!?][”“]$")
_SLOT = re.compile(r"\{!?([a-z.]+)\}")
_NUMBERS = re.compile(r"<(num2?|small|min)>")
_TOKEN = re.compile(r"\{([a-z.]+)\}|<(\w+)>")
_CHOICE = re.compile(r"\(([^()|]*\|[^()]*)\)")


class Form(NamedTuple):
    """A sentence but for its words: `%s` for each bank; `%%(name)s`, which one filling leaves as `%(name)s`."""

    text: str
    banks: tuple[int, ...]


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
        return self._form(self._chosen(self._habits.turned(text, self._draws)), stop)

    def _form(self, text: str, stop: str) -> Form:
        text = _plain(self._figured(text))
        text += "" if _STOPPED.search(text) else stop
        pieces, banks = list[str](), list[int]()
        seen = Counter[str]()
        end = 0
        for token in _TOKEN.finditer(text):
            literal = text[end : token.start()]
            first = not pieces and literal in ("", "“", "„")
            pieces.append(capital(literal) if not pieces else literal)
            end = token.end()
            if token[2]:
                pieces.append(f"%%({_capital_entity(token[2]) if first else token[2]})s")
                continue
            name = token[1]
            turns = "~" * seen[_root(name)]
            seen[_root(name)] += 1
            pieces.append("%s")
            banks.append(self._banks.number(f"{'^' if first else ''}{turns}{name}"))
        pieces.append(text[end:] if pieces else capital(text))
        if re.search(r"[{}|]", "".join(pieces)):
            raise ValueError(f"a slot or choice that cannot be read: {text!r}")
        return Form("".join(pieces), tuple(banks))

    def _figured(self, text: str) -> str:
        """The text with figures of the page in the slots for them, no figure twice."""
        text = _NUMBERS.sub(r"{\1}", text)
        for slot, names in FIGURES.items():
            first = self._draws.below(len(names))
            for place in range(text.count(slot)):
                text = text.replace(slot, f"<{names[(first + place) % len(names)]}>", 1)
        return text

    def _chosen(self, text: str) -> str:
        """The text with one of each alternatives taken, which may hold slots."""
        while found := _CHOICE.search(text):
            text = text[: found.start()] + self._draws.choice(found[1].split("|")) + text[found.end() :]
        return text

    def _enough(self, text: str) -> bool:
        return prod(map(self._banks.size, _SLOT.findall(text))) >= ENOUGH

    def sentence(self, clause: str, sides: Sides, taste: Taste) -> Form:
        """A form of a clause: with alternatives, growths, an opening and a tail that are drawn for it."""
        clause = self._habits.turned(_NUMBERS.sub(r"{\1}", clause), self._draws)
        opening = self._opening(sides, taste) if self._draws.percent(taste.opening) else ""
        tail = self._draws.choice(sides.tails) if self._draws.percent(taste.tail) else ""
        text = self._habits.grown(self._chosen(f"{opening.lstrip()}{clause}{tail.rstrip()}"), self._enough, self._draws)
        if taste.tail and not tail and not self._enough(text):
            # What has few words of its own would be said again and again.
            tail = self._draws.choice(sides.tails)
            text = self._habits.grown(self._chosen(f"{text}{tail.rstrip()}"), self._enough, self._draws)
        return self._form(text, ".")

    def _opening(self, sides: Sides, taste: Taste) -> str:
        return self._draws.choice([one for one in sides.openings if taste.told or one.endswith((", ", ": "))])


TASTES: Mapping[str, Taste] = {
    "quote": Taste(0, 0),
    "define": Taste(0, 0),
    "change": Taste(0, 10),
    "need": Taste(0, 0),
    "answer": Taste(5, 15, told=False),
    "howto": Taste(5, 15, told=False),
}
USUAL = Taste(15, 15)


def _plain(text: str) -> str:
    """The text with plain slots: an article or a plural is a bank of its own."""
    text = re.sub(r"\b[Aa] \{([a-z]+)\}", r"{a.\1}", text)
    text = re.sub(r"\{([a-z]+)\}s\b", r"{s.\1}", text)
    return re.sub(r"\{(a[a-z]+)\}", lambda slot: f"{{{_ALIASES.get(slot[1], slot[1])}}}", text).replace("%", "%%%%")


def _root(name: str) -> str:
    """What the forms of one word have in common, whose banks run alike: n, ns and a.n; v, vd and vg."""
    base = name.rpartition(".")[2]
    return base[:2] if base.startswith("gv") else base[0] if len(base) <= 2 else base


def _capital_entity(name: str) -> str:
    return {"he": "He", "his": "His"}.get(name, name)
