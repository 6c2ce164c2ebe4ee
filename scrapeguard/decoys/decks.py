"""Decks: the orders in which a site deals its clauses, for each topic and kind of clause.

About half of them are the topic's own, the others can be said of any. A deck is made when the first page asks for it:
so a site starts fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scrapeguard.decoys.banks import Banks
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import TASTES, USUAL, Compiler, Form, Sides
from scrapeguard.decoys.habits import Habits
from scrapeguard.decoys.lexicon import Lexicon, Topic

ORDERS = 48
"""Orders in which the clauses of a kind are dealt."""
HEADINGS = "heading"
"""The kind of a topic's headings, which end without a stop."""

KEPT_GENERAL = 0.8
"""The share of the clauses for any topic, and of titles, that one site knows."""
KEPT_OWN = 0.85
"""The share of a topic's own clauses."""
_KEPT_SIDES = 0.8
_OWN_SHARE = 50
"""Of a hundred clauses: more would be more varied, but rarer English than real articles have."""
_VARIANTS = 6
_GENERAL_VARIANTS = 12
_TENSES = ("past", "present")

Deck = tuple[tuple[Form, ...], ...]
"""The orders in which forms of one kind are dealt: no clause comes twice before all of them came."""


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
        draws: chooses.
    """

    def __init__(self, lexicon: Lexicon, banks: Banks, habits: Habits, draws: Draws) -> None:
        self._banks = banks
        self._habits = habits
        self._draws = draws
        self.pools = pools_of(lexicon)
        self._sides = {
            tense: Sides(
                *(draws.some(lexicon.clauses[f"{side} {tense}"], _KEPT_SIDES, 10) for side in ("open", "tail"))
            )
            for tense in _TENSES
        }
        self._known = {pool.kind: draws.some(pool.clauses, KEPT_GENERAL, 8) for pool in self.pools if pool.clauses}
        self._general: dict[str, list[tuple[Form, ...]]] = {}

    def deck(self, topic: Topic, number: int, length: int) -> Deck:
        """The deck of a topic for a kind of clause, each order of it as long as is said."""
        pool = self.pools[number]
        draws = self._draws.child(f"{topic.name}/{pool.kind}")
        compiler = Compiler(self._banks, draws, self._habits)
        lines = topic.clauses.get(pool.kind, ())
        own: list[tuple[Form, ...]]
        if pool.kind == HEADINGS:
            own, general = [(compiler.form(line),) for line in lines], []
        else:
            taste = TASTES.get(pool.kind, USUAL)._replace(opening=0, tail=0)
            sides = self._sides[pool.tense]
            own = [compiler.sentences(line, sides, taste, _VARIANTS) for line in draws.some(lines, KEPT_OWN, 0)]
            general = self._forms(pool)
        return tuple(order_of(own, general, length, draws) for _ in range(ORDERS))

    def _forms(self, pool: Pool) -> list[tuple[Form, ...]]:
        """The forms of the clauses of a kind for any topic."""
        if pool.kind not in self._general:
            compiler = Compiler(self._banks, self._draws.child(f"any/{pool.kind}"), self._habits)
            taste = TASTES.get(pool.kind, USUAL)
            self._general[pool.kind] = [
                compiler.sentences(line, self._sides[pool.tense], taste, _GENERAL_VARIANTS)
                for line in self._known[pool.kind]
            ]
        return self._general[pool.kind]


def order_of(
    own: Sequence[Sequence[Form]], general: Sequence[Sequence[Form]], length: int, draws: Draws
) -> tuple[Form, ...]:
    """One form of each clause, in some order, again and again until there are enough; own ones as often as others."""
    order = list[Form]()
    while len(order) < length:
        first, then = draws.shuffled(own), draws.shuffled(general)
        while first or then:
            which = first if first and (not then or draws.percent(_OWN_SHARE)) else then
            order.append(draws.choice(which.pop()))
            if len(order) == length:
                break
    return tuple(order)
