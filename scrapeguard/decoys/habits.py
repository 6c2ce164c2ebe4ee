"""Habits of one site: the turns of phrase, spellings, signs and longer words that it uses where others are as good."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.lexicon import Lexicon

_KEPT_GROWTHS = 0.8
_KEPT_TURNS = 0.7
_MOST_GROWN = 4
_MOST_PAUSES = 121
"""Of a hundred clauses, so many at most keep the comma before "and" and "but", which is no matter of grammar."""
_LEAST_OFTEN = 50
"""Of a hundred articles, so many at least are the site's own."""
# But not where the clause goes on to say which.
_ARTICLE = re.compile(
    r"(\bof )?\b(the|The) ((?:\{a\} )?\{([nptwleg]|[nptwe]s)\})(?!\u2019| (?:of|that|which|who|whose|where|in which)\b)"
)
# A word of this sort stands before the noun already.
_DESCRIBED = re.compile(
    r"\b(?:new|old|young|early|late|best|better|small|large|first|last|other|good|local|same|whole|final|next|own) $"
)
# Who is quoted is mostly the person whom a page is about, and needs no name each time.
_SPEAKER = re.compile(r"([,?!]” )(?:<Pl?> (said|says|told)\b|(said|says) <Pl?>)")
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
            turns.update(_turned(sides, draws.below(len(sides))))
        self._turns = turns
        self._articles = draws.choice(lexicon.articles) if lexicon.articles else ()
        self._often = _LEAST_OFTEN + draws.below(100 - _LEAST_OFTEN)
        self._pronouns = draws.below(100)
        self._pauses = draws.below(_MOST_PAUSES)
        self._quotes = str.maketrans("“”", draws.choice(lexicon.quotes)) if lexicon.quotes else {}
        written = "|".join(sorted(map(re.escape, turns), key=len, reverse=True)) or "(?!)"
        self._written = re.compile(rf"(?<![\w{{<])(?:{written})(?![\w}}>])")

    def turned(self, clause: str, draws: Draws) -> str:
        """The clause in this site's words."""
        clause = self._written.sub(lambda found: draws.choice(self._turns[found[0]]), clause)
        if self._articles:
            clause = _ARTICLE.sub(lambda found: self._article(found, draws), clause)
        if "” " in clause and draws.percent(self._pronouns):
            clause = _SPEAKER.sub(r"\1<he> \2\3", clause)
        if clause.count(",") == 1 and not draws.percent(self._pauses):
            clause = clause.replace(", and ", " and ").replace(", but ", " but ")
        return clause

    def _article(self, found: re.Match[str], draws: Draws) -> str:
        """What this site says instead of "the" before a word of the topic."""
        of, the, rest, slot = found.groups("")
        word = self._articles[slot.endswith("s")]
        if not draws.percent(self._often) or (word == "-" and (of or the == "The")):
            # One of the kites, but no "one of kites"; and a sentence keeps its capital.
            return found[0]
        if word == "-":
            return rest
        return f"{of}{word.capitalize() if the == 'The' else word} {rest}"

    def quoted(self, text: str) -> str:
        """The text with this site's quotation marks."""
        return text.translate(self._quotes) if self._quotes else text

    def grown(self, clause: str, enough: Callable[[str], bool], draws: Draws) -> str:
        """The clause with some of its slots grown longer, until it can be filled in ways enough."""
        for _ in range(_MOST_GROWN):
            if enough(clause):
                break
            places = [
                place
                for place in _GROWING.finditer(clause)
                if place[1] in self._growths and not _DESCRIBED.search(clause, 0, place.start())
            ]
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
