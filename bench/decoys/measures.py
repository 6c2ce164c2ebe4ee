"""What the filters leave out: repetition between pages, growth of vocabulary, compressibility, topic coherence."""

from __future__ import annotations

import lzma
import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from bench.decoys.ngrams import Model
from bench.decoys.pages import sentences_of, words_of

_LEAST_WORDS = 6
_MEGABYTE = 1_000_000


class Variety(NamedTuple):
    """Shares of sentences and skeletons seen before; words among 100,000; Heaps' exponent; xz size of a megabyte."""

    sentences: float
    skeletons: float
    vocabulary: int | None
    heaps: float | None
    xz: float | None


def variety(texts: Sequence[str], seed: int = 0) -> Variety:
    mixed = list(texts)
    random.Random(seed).shuffle(mixed)
    known = _vocabulary(mixed, (50_000, 100_000, 200_000))
    heaps = math.log(known[200_000] / known[50_000]) / math.log(4) if 200_000 in known else None
    blob = "\n".join(mixed).encode()[:_MEGABYTE]
    xz = len(lzma.compress(blob, preset=6)) / len(blob) if len(blob) == _MEGABYTE else None
    return Variety(*seen_before(texts), known.get(100_000), heaps, xz)


def seen_before(texts: Sequence[str]) -> tuple[float, float]:
    """The share of sentences, and of sentences without names and numbers, that stand on an earlier page."""
    seen: tuple[set[str], set[str]] = (set(), set())
    found, total = [0, 0], 0
    for text in texts:
        kept = [words for sentence in sentences_of(text) if len(words := words_of(sentence)) >= _LEAST_WORDS]
        forms = [[re.sub(r"\d+", "0", " ".join(words).lower()) for words in kept], [_skeleton(words) for words in kept]]
        total += len(kept)
        for kind, sentences in enumerate(forms):
            found[kind] += sum(sentence in seen[kind] for sentence in sentences)
            seen[kind].update(sentences)
    return found[0] / max(1, total), found[1] / max(1, total)


def _skeleton(words: Sequence[str]) -> str:
    return " ".join(
        "#" if any(map(str.isdigit, word)) or (place and word[0].isupper() and word != "I") else word.lower()
        for place, word in enumerate(words)
    )


def _vocabulary(texts: Sequence[str], marks: Sequence[int]) -> dict[int, int]:
    known, count, sizes = set[str](), 0, dict[int, int]()
    for text in texts:
        for word in words_of(text.lower()):
            known.add(word)
            count += 1
            if count in marks:
                sizes[count] = len(known)
    return sizes


def coherence(texts: Sequence[str], model: Model, pages: int = 150, seed: int = 0) -> float | None:
    """How much the words of a page so far help to foretell it, against pages of sentences drawn at random (1.0)."""
    chance = random.Random(seed)
    parted = [[part for part in sentences_of(text) if len(part.split()) > 3][:40] for text in texts]
    parted = [parts for parts in parted if len(parts) >= 8]
    if len(parted) < 20:
        return None
    pool = [part for parts in parted for part in parts]
    chosen = chance.sample(parted, min(pages, len(parted)))
    own = median(_gain(parts, model) for parts in chosen)
    mixed = median(_gain([chance.choice(pool) for _ in parts], model) for parts in chosen)
    return math.exp(own - mixed)


def _gain(sentences: Sequence[str], model: Model, share: float = 0.1) -> float:
    """By how much a cache of the page's own pieces raises the mean logarithm of their likelihood."""
    pieces, logs = model.costs("\n".join(sentences))
    cache, gain, counted = Counter[int](), 0.0, 0
    likely = np.exp(logs)
    for place, (piece, chance) in enumerate(zip(pieces.tolist(), likely.tolist(), strict=True)):
        if place >= 20:
            gain += math.log((1 - share) + share * cache[piece] / place / chance)
            counted += 1
        cache[piece] += 1
    return gain / max(1, counted)
