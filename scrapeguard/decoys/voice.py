"""What a site says in common: how often which phrase comes; and the owner's own texts, if any."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

from scrapeguard.decoys.banks import Bank, bank_of
from scrapeguard.decoys.corpus import Document
from scrapeguard.decoys.decks import Deck, Order, dealt
from scrapeguard.decoys.draws import Draws
from scrapeguard.decoys.grammar import Form
from scrapeguard.decoys.lexicon import Lexicon

SURNAMES = tuple(f"s{number}" for number in range(9))
TOWNS = tuple(f"t{number}" for number in range(6))
"""Names that come up on one page: banks of names name these."""

_OWN_VARIANTS = 16
_OWN_ORDERS = 64
_OWN_DECK = 40


def shared_banks(lexicon: Lexicon, language: ModuleType, draws: Draws) -> dict[str, Bank]:
    """The banks that are the same for all topics of a site."""
    shared = {name: bank_of(words, draws, flat=60.0) for name, words in lexicon.phrases.items()}
    general = language.phrase_banks(lexicon.phrases)
    shared.update({name: bank_of(entries, draws, flat=60.0) for name, entries in general.items()})
    shared.update(_numbers(draws))
    shared["saidp"] = _said(shared["said"], language, draws)
    return shared


def _numbers(draws: Draws) -> dict[str, Bank]:
    """Banks of figures: counts, sizes, years."""

    def between(low: int, high: int) -> Bank:
        return tuple(str(low + draws.below(high - low)) for _ in range(256))

    return {
        "clock": tuple(f"{1 + draws.below(12)}.{draws.below(12) * 5:02}" for _ in range(256)),
        "sn": tuple(f"%({SURNAMES[place % len(SURNAMES)]})s" for place in range(256)),
        "tn": tuple(f"%({TOWNS[place % len(TOWNS)]})s" for place in range(256)),
        "nth": tuple(_ordinal(1 + draws.below(28)) for _ in range(256)),
        "num2": between(1000, 4000),
        "small": between(3, 13),
        "min": between(2, 60),
    }


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(number, "th")
    return f"{number}{ending}"


def _said(verbs: Sequence[str], language: ModuleType, draws: Draws) -> Bank:
    patterns: Sequence[str] = language.SAID
    pairs = (draws.choice(patterns).format(verb=verb) for verb in verbs)
    return tuple(re.sub(r"<(\w+)>", r"%(\1)s", pair) for pair in pairs)


class Own(NamedTuple):
    """What a document of the owner gives."""

    titles: tuple[Form, ...]
    deck: tuple[Order, ...]


def own_voice(document: Document, draws: Draws) -> Own:
    """The headings and sentences of a document, its heads with tails of others."""
    count = len(document.tails)
    forms: list[tuple[Form, ...]] = [
        # Never the tail that it had.
        tuple(
            Form(f"{head}{document.tails[(place + 1 + draws.below(count - 1)) % count]}", ())
            for _ in range(_OWN_VARIANTS)
        )
        for place, head in enumerate(document.heads)
    ]
    titles = tuple(Form(title, ()) for title in document.titles)
    return Own(titles, tuple(dealt(Deck(forms, ()), _OWN_DECK, draws) for _ in range(_OWN_ORDERS)))
