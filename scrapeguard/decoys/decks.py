"""Decks: the orders in which a site deals its clauses, for each topic and kind of clause.

About half of them are the topic's own, the others can be said of any. An order is made when the first page asks for it:
so a site starts fast, and no page pays for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from scrapeguard.decoys.banks import Banks
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import TASTES, USUAL, Compiler, Form, Sides
from scrapeguard.decoys.habits import Habits
from scrapeguard.decoys.lexicon import Lexicon, Topic

ORDERS = 4
"""Orders in which the clauses of a kind are dealt, each with forms of its own; a page has one of each of its kinds."""
HEADINGS = "heading"
"""The kind of a topic's headings, which end without a stop."""

KEPT_GENERAL = 0.8
"""The share of the clauses for any topic, and of titles, that one site knows."""
KEPT_OWN = 0.85
"""The share of a topic's own clauses."""
_KEPT_SIDES = 0.8
_OWN_SHARE = 44
"""Of a hundred clauses: more would be more varied, but rarer English than real articles have."""
_TENSES = ("past", "present")

Order = tuple[Form, ...]
"""Forms of one kind as they are dealt: no clause comes twice before all of them came."""

T = TypeVar("T")


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

    def order(self, topic: Topic, number: int, place: int, count: int, most: int) -> Order:
        """The first forms of a kind in one of their orders; they are the same for each count up to `most`."""
        pool = self.pools[number]
        draws = self._draws.child(f"{topic.name}/{pool.kind}/{place}")
        compiler = Compiler(self._banks, draws, self._habits)
        known = self._draws.child(f"{topic.name}/{pool.kind}").some(topic.clauses.get(pool.kind, ()), KEPT_OWN, 0)
        clauses = dealt(known, self._known.get(pool.kind, ()), most, draws)[:count]
        if pool.kind == HEADINGS:
            return tuple(compiler.form(clause) for clause, _ in clauses)
        sides, usual = self._sides[pool.tense], TASTES.get(pool.kind, USUAL)
        bare = usual._replace(opening=0, tail=0)
        return tuple(compiler.sentence(clause, sides, bare if own else usual) for clause, own in clauses)


def dealt(own: Sequence[T], general: Sequence[T], length: int, draws: Draws) -> list[tuple[T, bool]]:
    """Each once, in some order, again and again until there are enough; own ones, marked, as often as others."""
    order = list[tuple[T, bool]]()
    while len(order) < length:
        first, then = draws.shuffled(own), draws.shuffled(general)
        while (first or then) and len(order) < length:
            mine = bool(first) and (not then or draws.percent(_OWN_SHARE))
            order.append(((first if mine else then).pop(), mine))
    return order
