"""The register of one site: how its English leans, such as to few commas, to much direct speech, or to "you".

Sites differ in this more than in what they write about, and who tells texts apart by their words weighs what is most
frequent: without it, a classifier that knows the decoys of one site would know those of every other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scrapeguard.decoys.draws import Draws

_KEPT_ANYWAY = 0.9
"""The share of clauses that a site knows where its language has no marks to lean to."""
_LENGTHENED = 0.7
_STEPS = 1024
_SIGNS = (",", ". ", "; ", "(<", "({year", "({min", "“")
"""What stands beside words without a space."""

_STOP = "stop"
"""The mark that every sentence has one of: who leans to it keeps the short ones."""


class Mark(NamedTuple):
    """What can be frequent or rare.

    So many of a thousand words and signs of usual articles are of that sort; by so much sites lean to it on average,
    because clauses have too little of it; and the words and signs that count.
    """

    usual: float
    mean: float
    tokens: tuple[str, ...]


class Register:
    """What one site leans to.

    Args:
        marks: what there is to lean to, or away from.
        draws: chooses.
    """

    def __init__(self, marks: Mapping[str, Mark], draws: Draws) -> None:
        leanings = {name: mark.mean + _normal(draws) for name, mark in marks.items()}
        weights = {token: leanings[name] for name, mark in marks.items() for token in mark.tokens}
        self._words = {token: weight for token, weight in weights.items() if token not in _SIGNS}
        self._signs = [(sign, weights[sign]) for sign in _SIGNS if sign in weights]
        self._stop = leanings.get(_STOP, 0.0)
        self._usual = sum(leanings[name] * mark.usual for name, mark in marks.items()) / 1000

    def kept(self, clauses: Sequence[str], share: float, draws: Draws, at_least: int = 0) -> list[str]:
        """The share of the clauses that lean as the site does, the most leaning first; else most, which are drawn."""
        if not (self._words or self._signs):
            return draws.some(clauses, _KEPT_ANYWAY, at_least)
        wanted = max(min(at_least, len(clauses)), round(len(clauses) * share))
        return sorted(clauses, key=self._leaning, reverse=True)[:wanted]

    def _leaning(self, clause: str) -> float:
        words, known = clause.split(), self._words
        found = sum([known[word] for word in words if word in known])
        found += self._stop + sum([clause.count(sign) * weight for sign, weight in self._signs])
        tokens = 1 + len(words)
        return (found - tokens * self._usual) / math.pow(tokens, _LENGTHENED)


def _normal(draws: Draws) -> float:
    """A number that is mostly between -1 and 1: the sum of twelve even ones."""
    return sum(draws.below(_STEPS) for _ in range(12)) / _STEPS - 6
