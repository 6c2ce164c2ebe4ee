"""Prose for a seed: a form of four sentences, filled with what the seed says, worded anew in every copy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import shake_256
from itertools import zip_longest
from typing import NamedTuple

from scrapeguard.canaries import wording

_PLACES = re.compile(r"\[([^]]+)\]|\{([a-z]+[0-9]*)\}")
_KIND = re.compile(r"[a-z]+")
_OCTETS = 4
"""Drawn for each place; no list of words is so long that the remainder would matter."""


class Form(NamedTuple):
    """Sentences cut at their places: `texts` is one longer than `places`.

    A place is the name of a bank in brackets, or that of a slot.
    """

    texts: tuple[str, ...]
    places: tuple[str, ...]

    @property
    def slots(self) -> tuple[str, ...]:
        """What the seed fills, each once, in the order in which they first stand."""
        return tuple(dict.fromkeys(place for place in self.places if not place.startswith("[")))


class Filled(NamedTuple):
    """A form that the seed has filled: texts, and between them the words to choose from."""

    texts: tuple[str, ...]
    banks: tuple[tuple[str, ...], ...]

    def plain(self) -> str:
        """The text with the first word of each bank."""
        return self.copy(bytes(len(self.banks)))

    def copy(self, dice: bytes) -> str:
        """The text with the words that the dice choose, one octet for each bank."""
        parts: list[str] = []
        for text, bank, die in zip(self.texts, self.banks, dice, strict=False):
            parts += (text, bank[die % len(bank)])
        parts.append(self.texts[-1])
        return "".join(parts)


def form_of(dice: bytes) -> str:
    """The template that four octets choose: one sentence for each position."""
    return " ".join(pool[die % len(pool)] for pool, die in zip(wording.POSITIONS, dice, strict=False))


def cut(template: str) -> Form:
    """A template cut at its places."""
    texts, places, end = [], [], 0
    for match in _PLACES.finditer(template):
        texts.append(template[end : match.start()])
        places.append(f"[{match[1]}" if match[1] else match[2])
        end = match.end()
    return Form((*texts, template[end:]), tuple(places))


def fill(form: Form, seed: bytes) -> Filled:
    """A form filled from a seed."""
    slots = form.slots
    drawn = shake_256(seed).digest(_OCTETS * len(slots))
    numbers = [int.from_bytes(drawn[at : at + _OCTETS], "big") for at in range(0, len(drawn), _OCTETS)]
    words = {slot: _KINDS[_kind(slot)](number) for slot, number in zip(slots, numbers, strict=True)}
    texts, banks, text = [], [], ""
    for part, place in zip_longest(form.texts, form.places):
        text += part
        if place is None:
            break
        if place.startswith("["):
            texts.append(text)
            banks.append(wording.BANKS[place[1:]])
            text = ""
        else:
            text += words[place]
    return Filled((*texts, text), tuple(banks))


def _kind(slot: str) -> str:
    match = _KIND.match(slot)
    if match is None:
        raise ValueError(f"a slot is named by its kind and a number, not {slot!r}")
    return match[0]


def _joined(number: int, *lists: Sequence[str]) -> list[str]:
    words = []
    for words_of in lists:
        number, index = divmod(number, len(words_of))
        words.append(words_of[index])
    return words


def _person(number: int) -> str:
    given, *surname = _joined(
        number, wording.GIVEN_NAMES, wording.NAME_STARTS, wording.NAME_MIDDLES, wording.SURNAME_ENDS
    )
    return f"{given} {''.join(surname)}"


def _day(number: int) -> str:
    month, day = divmod(number % (28 * len(wording.MONTHS)), 28)
    return f"{day + 1} {wording.MONTHS[month]}"


_KINDS: dict[str, Callable[[int], str]] = {
    "person": _person,
    "place": lambda number: "".join(_joined(number, wording.NAME_STARTS, wording.NAME_MIDDLES, wording.PLACE_ENDS)),
    "things": lambda number: " ".join(_joined(number, wording.MATERIALS, wording.THINGS)),
    "colour": lambda number: _joined(number, wording.COLOURS)[0],
    "n": lambda number: str(113 + number % 874),
    "m": lambda number: f"{(113 + number % 874) / 10:.1f}",
    "f": lambda number: str(11 + number % 88),
    "late": lambda number: str(1969 + number % 51),
    "year": lambda number: str(1843 + number % 125),
    "day": _day,
}
"""From a drawn number to what stands in a slot of a kind."""
