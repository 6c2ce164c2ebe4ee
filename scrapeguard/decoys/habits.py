"""Habits of one site: the turns of phrase, spellings and longer words that it uses where others would be as good."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.lexicon import Lexicon

_KEPT_GROWTHS = 0.8
_KEPT_TURNS = 0.7
_MOST_GROWN = 4
# No adjective before a noun that has one, and nothing where the word owns something.
_GROWING = re.compile(r"(?<!a\} )(?<!adj\} )(?<!look\} )\{(\w+)\}(?![\u2019\w-])")
# What may stand after a noun and what is said of it.
_FREE = re.compile(r"[,;:.!?\u201d]|$| (?:and|or|but|who|which|that|to|with|for|by|as|is|are|was|were|has|have|had)\b")


class Habits:
    """What a site does with a clause before its words are drawn.

    Args:
        lexicon: what there is to choose from.
        draws: chooses.
    """

    def __init__(self, lexicon: Lexicon, draws: Draws) -> None:
        self._growths = {slot: tuple(draws.some(grown, _KEPT_GROWTHS, 2)) for slot, grown in lexicon.macros.items()}
        turns = {group[0]: tuple(draws.some(group, _KEPT_TURNS)) for group in lexicon.synonyms}
        for sides in lexicon.habits:
            # One side, the other, or as it is written.
            side = draws.below(len(sides) + 1)
            if side < len(sides):
                turns.update(_turned(sides, side))
        self._turns = turns
        written = "|".join(sorted(map(re.escape, turns), key=len, reverse=True)) or "(?!)"
        self._written = re.compile(rf"(?<![\w{{<])(?:{written})(?![\w}}>])")

    def turned(self, clause: str, draws: Draws) -> str:
        """The clause in this site's words."""
        return self._written.sub(lambda found: draws.choice(self._turns[found[0]]), clause)

    def grown(self, clause: str, enough: Callable[[str], bool], draws: Draws) -> str:
        """The clause with some of its slots grown longer, until it can be filled in ways enough."""
        for _ in range(_MOST_GROWN):
            if enough(clause):
                break
            places = [place for place in _GROWING.finditer(clause) if place[1] in self._growths]
            if not places:
                break
            place = draws.choice(places)
            grown = draws.choice(self._growths[place[1]])
            if grown.endswith(f"{place[1]}}}") or _FREE.match(clause, place.end()):
                # What has grown does not grow again.
                clause = f"{clause[: place.start()]}{grown.replace('{', '{!')}{clause[place.end() :]}"
        return clause.replace("{!", "{")


def _turned(sides: Sequence[Sequence[str]], side: int) -> dict[str, tuple[str, ...]]:
    """Every word of the other sides, and that of this one in its place."""
    return {
        word: (sides[side][place],)
        for number, other in enumerate(sides)
        if number != side
        for place, word in enumerate(other)
    }
