"""Fingerprints of a text, by which a part of it is recognised after a change of case, spaces, markup or punctuation.

Winnowing (Schleimer, Wilkerson, Aiken, SIGMOD 2003, <https://doi.org/10.1145/872757.872770>) over words: of the runs of
`RUN` words one in each window of `WINDOW` is kept, always the same one, so that any quote of `SURE` words is found.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from struct import pack, unpack
from unicodedata import normalize
from zlib import crc32

RUN = 6
"""Words that a fingerprint is of: so long that two texts rarely share one by chance."""
WINDOW = 5
SURE = RUN + WINDOW - 1
"""Words of an unchanged quote that are surely found."""
MAX_WORDS = 4_000
"""Words of a served text of which fingerprints are taken."""
MAX_QUERY_WORDS = 200_000
"""Words of a text that is looked for."""

_MAX_WORD = 20
"""Characters that a word takes at most, on average, where texts are cut."""
_WORD = re.compile(r"[^\W_]+")
_ASCII_WORD = re.compile(rb"[0-9a-z]+")
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,2000}>")
_AROUND = ("head", "style", "script", "nav", "header", "footer")
"""Elements that stand around the text of a page, alike on all pages of a site."""
_OPENING = re.compile(rf"<({'|'.join(_AROUND)})\b", re.IGNORECASE)
_CLOSING = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in _AROUND}
_SILENT = "'\u2019\u2018\u02bc\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Left out of words: apostrophes, which are written in several ways, and marks that nobody sees."""


def words(text: str, most: int) -> list[bytes]:
    """The first words of a text, as they are compared: in lower case, in one normal form, without markup."""
    text = text[: most * _MAX_WORD]
    if "<" in text:
        text = _TAG.sub(" ", _inner(text))
    if text.isascii():
        # Most texts are; this takes a third of the time.
        return _ASCII_WORD.findall(text.replace("'", "").lower().encode())[:most]
    # One after the other takes a hundredth of the time of `translate`.
    for mark in _SILENT:
        text = text.replace(mark, "")
    folded = normalize("NFKC", text).casefold()
    return [word.encode("utf-8", "replace") for word in _WORD.findall(folded)[:most]]


def _inner(text: str) -> str:
    """A page without the elements that stand around its text; those that are never closed stay."""
    kept, at, open_ended = [], 0, set()
    for opening in _OPENING.finditer(text):
        name = opening[1].lower()
        if opening.start() < at or name in open_ended:
            continue
        closing = _CLOSING[name].search(text, opening.end())
        if closing is None:
            open_ended.add(name)
        else:
            kept.append(text[at : opening.start()])
            at = closing.end()
    return " ".join((*kept, text[at:]))


def winnow(text: str) -> bytes:
    """The fingerprints to keep of a served text: 8 octets each, little-endian, sorted."""
    found = words(text, MAX_WORDS)
    runs = len(found) - RUN + 1
    if runs < 1:
        return b""
    values = [crc32(word) for word in found[:runs]]
    # The least of each window, and where it first stands in it. Which run is kept depends on its first word alone.
    least = (
        map(min, zip(*(values[shift:] for shift in range(WINDOW)), strict=False)) if runs >= WINDOW else [min(values)]
    )
    kept = {values.index(value, at) for at, value in enumerate(least)}
    prints = sorted({_print(found, at) for at in kept})
    return pack(f"<{len(prints)}Q", *prints)


def all_prints(text: str) -> set[int]:
    """The fingerprints of every run of words of a text that is looked for."""
    found = words(text, MAX_QUERY_WORDS)
    return {_print(found, at) for at in range(len(found) - RUN + 1)}


def shared(prints: bytes, wanted: set[int]) -> set[int]:
    """Those of the wanted fingerprints that a served text has."""
    return wanted.intersection(unpack(f"<{len(prints) // 8}Q", prints))


def _print(found: list[bytes], at: int) -> int:
    return int.from_bytes(blake2b(b" ".join(found[at : at + RUN]), digest_size=8).digest(), "little")
