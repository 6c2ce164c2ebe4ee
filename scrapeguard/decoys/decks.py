"""Decks: the orders in which a site deals its clauses, for each topic and kind of clause.

About half of them are the topic's own, the others can be said of any, and are compiled at start. Those of a topic are
compiled when the first page asks for one, which takes some milliseconds; so no start holds up for long the loop that it
runs in. An order is dealt when the first page asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack
from typing import NamedTuple

from scrapeguard.decoys.banks import Banks
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import MOST_SIDES, TASTES, Compiler, Form, Sides, Taste, banks_in
from scrapeguard.decoys.habits import Habits
from scrapeguard.decoys.lexicon import Lexicon, Topic
from scrapeguard.decoys.register import Register

ORDERS = 32
"""Orders in which the clauses of a kind are dealt; a page has one of each of its kinds."""
HEADINGS = "heading"
"""The kind of a topic's headings, which end without a stop."""

KEPT_TITLES = 0.8
"""The share of all titles that one site knows."""
KEPT_HEADINGS = 0.95
"""The share of a topic's headings."""
LEANING = 0.45
"""The share of the clauses that one site says: those that lean its way."""
_KEPT_SIDES = 0.8
_OWN_SHARE = 166
"""Of 256 clauses: more would be more varied, but rarer English than real articles have."""
_VARIANTS = 2
_OWN_VARIANTS = 1
_TENSES = ("past", "present")

Order = tuple[Form, ...]
"""Forms of one kind as they are dealt: no clause comes twice before all of them came."""


class Deck(NamedTuple):
    """Forms of each clause of a kind: of the topic's own, and of those for any topic."""

    own: Sequence[tuple[Form, ...]]
    general: Sequence[tuple[Form, ...]]


class Pool(NamedTuple):
    """A kind of clause: its tense, and the clauses for any topic."""

    kind: str
    tense: str
    clauses: tuple[str, ...]


def pools_of(lexicon: Lexicon) -> tuple[Pool, ...]:
    """The kinds of clause of a locale; headings are the last."""
    named = [(name.partition(" "), clauses) for name, clauses in lexicon.clauses.items()]
    pools = [Pool(kind, tense, clauses) for (tense, _, kind), clauses in named if tense in _TENSES and kind]
    return (*pools, Pool(HEADINGS, "", ()))


class Decks:
    """What one site says of its topics.

    Args:
        lexicon: the words of a locale.
        banks: those of the site.
        habits: those of the site.
        register: that of the site.
        draws: chooses.
    """

    def __init__(self, lexicon: Lexicon, banks: Banks, habits: Habits, register: Register, draws: Draws) -> None:
        self._banks = banks
        self._habits = habits
        self._register = register
        self._draws = draws
        self.pools = pools_of(lexicon)
        self._sides = {
            tense: Sides(
                *(draws.some(lexicon.clauses[f"{side} {tense}"], _KEPT_SIDES, 10) for side in ("open", "tail"))
            )
            for tense in _TENSES
        }
        self._usual = Taste(draws.below(MOST_SIDES), draws.below(MOST_SIDES))
        self._general = [self._of_any(pool) for pool in self.pools]
        self.general_banks = banks_in(forms for deck in self._general for forms in deck)
        """The numbers of the banks that fill what can be said of any topic."""

    def of(self, topic: Topic) -> list[Deck]:
        """What is said of a topic, for each kind of clause."""
        said = topic.clauses()
        return [
            Deck(self._own(f"{topic.name}/{pool.kind}", pool, said.get(pool.kind, ())), general)
            for pool, general in zip(self.pools, self._general, strict=True)
        ]

    def _own(self, purpose: str, pool: Pool, lines: Sequence[str]) -> list[tuple[Form, ...]]:
        """The forms of a topic's own clauses of a kind."""
        draws = self._draws.child(purpose)
        compiler = Compiler(self._banks, draws, self._habits)
        if pool.kind == HEADINGS:
            return [(compiler.form(line),) for line in draws.some(lines, KEPT_HEADINGS, 0)]
        return [compiler.own(line, _OWN_VARIANTS) for line in self._register.kept(lines, LEANING, draws)]

    def _of_any(self, pool: Pool) -> list[tuple[Form, ...]]:
        """The forms of the clauses of a kind that can be said of any topic."""
        if not pool.clauses:
            return []
        draws = self._draws.child(f"any/{pool.kind}")
        compiler = Compiler(self._banks, draws, self._habits)
        sides, taste = self._sides[pool.tense], TASTES.get(pool.kind, self._usual)
        return [
            tuple(dict.fromkeys(compiler.sentence(line, sides, taste) for _ in range(_VARIANTS)))
            for line in self._register.kept(pool.clauses, LEANING, draws, 8)
        ]


def dealt(deck: Deck, length: int, draws: Draws) -> Order:
    """A form of each clause in some order, again and again until there are enough; own ones as often as others.

    Raises:
        ValueError: there is none.
    """
    own, general = deck
    order = list[Form]()
    if length and not (own or general):
        raise ValueError("a page asks for a kind of clause of which there is none")
    while len(order) < length:
        first, then = (_some_of(len(forms), length, draws) for forms in deck)
        octets = draws.octets(2 * length)
        for coin, chosen in zip(octets[:length], octets[length:], strict=True):
            if len(order) == length or not (first or then):
                break
            mine = first and (not then or coin < _OWN_SHARE)
            forms = own[first.pop()] if mine else general[then.pop()]
            order.append(forms[chosen % len(forms)])
    return tuple(order)


def _some_of(size: int, number: int, draws: Draws) -> list[int]:
    """So many different ones of the numbers below a size, all if it has no more, in an order that is drawn."""
    if size <= 2 * number:
        # Sorting by an octet each is fair enough, and the fastest.
        return sorted(range(size), key=draws.octets(size).__getitem__)[:number]
    found: dict[int, None] = {}
    while len(found) < number:
        pairs = unpack(f">{2 * number}H", draws.octets(4 * number))
        found.update(dict.fromkeys([pair * size >> 16 for pair in pairs]))
    return list(found)[:number]
