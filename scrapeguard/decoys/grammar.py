"""Clauses to forms: a form is a format string and the numbers of the banks that fill it.

What is chosen once for a site: which clauses it knows, which opening and which tail go with which clause. What is
chosen for each page: the words. So two sites share few sentences, and a page costs one draw of bytes and one join.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scrapeguard.decoys.banks import Banks, capital
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.lexicon import Words

VARIANTS = 24
"""Forms of one clause: as many openings and tails."""
DECKS = 128
"""Orders in which the clauses of a kind are dealt."""
DECK = 40
"""Forms in a deck; a page asks for fewer of one kind."""

_ALIASES = {
    "an": "a.n",
    "aa": "a.a",
    "at": "a.t",
    "aw": "a.w",
    "ap": "a.p",
    "af": "a.f",
    "ae": "a.e",
    "aadj": "a.adj",
    "alook": "a.look",
    "aobject": "a.object",
}
_LEAST_SLOTS = 3
_WORDED = re.compile(r"\{(?!(?:sn|tn|name|year|num|month|big|nth|small|min|clock|saidp)\})[a-z.]+\}|\|")
_FIGURED = 8
_FIGURE = re.compile(r"\{(?:num|big|year|nth|clock)\}")
_THE_SLOT = re.compile(r"\bthe \{([a-z]+)\}")
_SLOT = re.compile(r"\{([a-z]+)\}")
_NUMBERS = re.compile(r"<(num2?|small|min)>")
_TOKEN = re.compile(r"\{([a-z.]+)\}|<(\w+)>|\(([^()|]*\|[^()]*)\)")
_OPEN_CHOICE = re.compile(r"\(([^()|]*\|[^()]*\{[^()]*|[^()|]*\{[^()]*\|[^()]*)\)")


class Form(NamedTuple):
    """A sentence but for its words: `%s` for each bank; `%%(name)s`, which one filling leaves as `%(name)s`."""

    text: str
    banks: tuple[int, ...]


class Deck(NamedTuple):
    """The orders in which forms of one kind are dealt: no clause comes twice before all of them came."""

    orders: tuple[tuple[Form, ...], ...]


class Taste(NamedTuple):
    """How many clauses of a hundred get an opening and a tail; whether they can be told ("it is said that ...")."""

    opening: int
    tail: int
    told: bool = True


class Compiler:
    """Compiles clauses for one site."""

    def __init__(self, banks: Banks, draws: Draws, macros: Words, synonyms: Sequence[Sequence[str]]) -> None:
        self._banks = banks
        self._draws = draws
        self._macros = macros
        self._synonyms = {turns[0]: turns for turns in synonyms}
        turns = "|".join(sorted(map(re.escape, self._synonyms), key=len, reverse=True)) or "(?!)"
        self._turn = re.compile(rf"(?<![\w(|{{<])(?:{turns})(?![\w|)}}>])")

    def form(self, text: str, *, stop: str = "") -> Form:
        """The form of a text, which gets a capital and ends with `stop`."""
        text = self._settled(text) + stop
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
            name = self._inline(token[3]) if token[3] is not None else token[1]
            turns = "" if token[3] is not None else "~" * seen[_root(name)]
            seen[_root(name)] += 1
            pieces.append("%s")
            banks.append(self._banks.number(f"{'^' if first else ''}{turns}{name}"))
        pieces.append(text[end:] if pieces else capital(text))
        if re.search(r"[{}|]", "".join(pieces)):
            raise ValueError(f"a slot or choice that cannot be read: {text!r}")
        return Form("".join(pieces), tuple(banks))

    def _side(self, sides: Sequence[str]) -> str:
        """One of the openings or tails; more often than its turn one with a figure, as there are in real articles."""
        figured = [side for side in sides if _FIGURE.search(side)]
        return self._draws.choice(figured if figured and self._draws.percent(_FIGURED) else sides)

    def _settled(self, text: str) -> str:
        """The text with plain slots, and one alternative taken where they hold slots themselves."""
        text = _NUMBERS.sub(r"{\1}", self._turn.sub(self._synonym, text))
        while found := _OPEN_CHOICE.search(text):
            text = text[: found.start()] + self._draws.choice(found[1].split("|")) + text[found.end() :]
        text = _SLOT.sub(self._grown, _THE_SLOT.sub(self._grown, text))
        text = re.sub(r"\b[Aa] \{([a-z]+)\}", r"{a.\1}", text)
        text = re.sub(r"\{([a-z]+)\}s\b", r"{s.\1}", text)
        return re.sub(r"\{(a[a-z]+)\}", lambda slot: f"{{{_ALIASES.get(slot[1], slot[1])}}}", text).replace("%", "%%%%")

    def _synonym(self, found: re.Match[str]) -> str:
        return self._draws.choice(self._synonyms[found[0]])

    def _grown(self, slot: re.Match[str]) -> str:
        grown = self._macros.get(f"the {slot[1]}" if slot[0].startswith("the ") else slot[1])
        if grown is None:
            return slot[0]
        return self._draws.choice(grown)

    def _inline(self, alternatives: str) -> str:
        return self._banks.inline([re.sub(r"<(\w+)>", r"%(\1)s", part) for part in alternatives.split("|")])

    def deck(self, clauses: Sequence[str], openings: Sequence[str], tails: Sequence[str], taste: Taste) -> Deck:
        """The forms of the clauses with some of the openings and tails, shuffled in many ways."""
        if not taste.told:
            openings = [opening for opening in openings if opening.endswith((", ", ": "))]
        forms = [[self._sentence(clause, openings, tails, taste) for _ in range(VARIANTS)] for clause in clauses]
        return Deck(tuple(dealt(forms, self._draws) for _ in range(DECKS)))

    def _sentence(self, clause: str, openings: Sequence[str], tails: Sequence[str], taste: Taste) -> Form:
        # What has few words of its own would be said again and again.
        scant = len(_WORDED.findall(clause)) < _LEAST_SLOTS
        opening = self._side(openings) if self._draws.percent(taste.opening) else ""
        tail = self._side(tails) if scant or self._draws.percent(taste.tail) else ""
        return self.form(f"{opening.lstrip()}{clause}{tail.rstrip()}", stop="" if tail.endswith("”") else ".")


TASTES: Mapping[str, Taste] = {
    "quote": Taste(0, 30),
    "define": Taste(0, 45),
    "change": Taste(10, 30),
    "need": Taste(0, 40),
    "answer": Taste(10, 45, told=False),
    "howto": Taste(40, 55, told=False),
}
USUAL = Taste(40, 55)


def _root(name: str) -> str:
    """What the forms of one word have in common, whose banks run alike: n, ns and a.n; v, vd and vg."""
    base = name.rpartition(".")[2]
    return base[:2] if base.startswith("gv") else base[0] if len(base) <= 2 else base


def dealt(forms: Sequence[Sequence[Form]], draws: Draws) -> tuple[Form, ...]:
    """One form of each clause, in some order, again and again until there are DECK."""
    order = list[Form]()
    while len(order) < DECK:
        order += [draws.choice(variants) for variants in draws.shuffled(forms)]
    return tuple(order[:DECK])


def _capital_entity(name: str) -> str:
    return {"he": "He", "his": "His"}.get(name, name)
