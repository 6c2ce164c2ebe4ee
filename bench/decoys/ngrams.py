"""An n-gram model for perplexity, as CCNet uses one to sort pages into head, middle and tail.

Interpolated Kneser-Ney (Chen and Goodman 1998, modified: three discounts an order) over SentencePiece pieces of
lower-cased text whose digits are all 0. Levels are sorted arrays: the key of an n-gram is the rank of its beginning
among the shorter ones, shifted, and its last piece. Compare ratios within one model, never values of two.
"""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

_ORDER = 5
_BOS, _EOS = 1, 2
_PLAIN = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u2013": "-", "\u2014": "-"})

# Arrays of numpy, which nothing else needs: its types are not looked at where it is not installed.
Ints: TypeAlias = Any
Floats: TypeAlias = Any


def plain(text: str) -> list[str]:
    """The lines of a text in lower case without accents, each digit a 0."""
    decomposed = unicodedata.normalize("NFD", text.translate(_PLAIN).lower())
    letters = (
        "0" if character.isdigit() else character for character in decomposed if unicodedata.category(character) != "Mn"
    )
    return [line for line in "".join(letters).split("\n") if line.strip()]


class Model:
    """A model trained on texts."""

    def __init__(self, texts: Sequence[str], pieces: int = 16_000) -> None:
        self._splitter = _splitter(texts, pieces)
        self._size = self._splitter.get_piece_size()
        stream, line = self._encoded(texts)
        self._keys: list[Ints] = []
        self._shares: list[Floats] = []
        self._backs: list[Floats] = []
        self._fit(stream, line)

    def _encoded(self, texts: Iterable[str]) -> tuple[Ints, Ints]:
        """All pieces, each line between a beginning and an end; and the number of the line of each."""
        lines = [[_BOS, *ids, _EOS] for text in texts for ids in self._splitter.encode(plain(text)) if ids]
        if not lines:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        lengths = [len(ids) for ids in lines]
        return np.concatenate([np.array(ids, np.int64) for ids in lines]), np.repeat(np.arange(len(lines)), lengths)

    def _fit(self, stream: Ints, line: Ints) -> None:
        ranks = [stream]  # ranks[k][i]: the rank of the (k+1)-gram that starts at i
        firsts, counts = [np.arange(self._size)], [np.bincount(stream, minlength=self._size)]
        for order in range(2, _ORDER + 1):
            starts = np.flatnonzero(line[: len(line) - order + 1] == line[order - 1 :])
            keys = ranks[-1][starts] << 16 | stream[starts + order - 1]
            unique, first, inverse, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
            rank = np.full(len(stream), -1, np.int64)
            rank[starts] = inverse
            ranks.append(rank)
            firsts.append(starts[first])
            counts.append(count)
            self._keys.append(unique)
        for level in range(_ORDER):
            weights = counts[level].astype(float)
            if level < _ORDER - 1:
                follows = np.bincount(ranks[level][firsts[level + 1] + 1], minlength=len(weights)).astype(float)
                begins = (firsts[0] if level == 0 else stream[firsts[level]]) == _BOS
                weights = np.where(begins, weights if level else 0.0, follows)
            self._add_level(level, weights)

    def _add_level(self, level: int, weights: Floats) -> None:
        discount = _discounts(weights)[np.minimum(weights, 3).astype(int)]
        if level == 0:
            self._shares.append((weights - discount) / weights.sum())
            self._backs.append(np.array([discount.sum() / weights.sum() / (self._size - 1)]))
            return
        context = self._keys[level - 1] >> 16
        size = self._size if level == 1 else len(self._keys[level - 2])
        total = np.bincount(context, weights, size)
        held = np.bincount(context, discount, size)
        self._shares.append((weights - discount) / total[context])
        self._backs.append(np.divide(held, total, out=np.ones(size), where=total > 0))

    def costs(self, text: str) -> tuple[Ints, Floats]:
        """The pieces of a text but for beginnings of lines, and the natural logarithm of how likely each was."""
        stream, line = self._encoded([text])
        likely = self._shares[0][stream] + self._backs[0][0]
        rank = stream
        for order in range(2, _ORDER + 1):
            end = len(stream) - order + 1
            if end <= 0:
                break
            starts = np.flatnonzero((line[:end] == line[order - 1 :]) & (rank[:end] >= 0))
            context, keys = rank[starts], self._keys[order - 2]
            wanted = context << 16 | stream[starts + order - 1]
            found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            hit = keys[found] == wanted
            at = starts + order - 1
            likely[at] = (
                np.where(hit, self._shares[order - 1][found], 0.0) + self._backs[order - 1][context] * likely[at]
            )
            rank = np.full(len(stream), -1, np.int64)
            rank[starts[hit]] = found[hit]
        scored = stream != _BOS
        return stream[scored], np.log(np.maximum(likely[scored], 1e-12))

    def score(self, text: str) -> tuple[float, float]:
        """Perplexity a piece, and bits a character."""
        _, logs = self.costs(text)
        characters = sum(len(line) + 1 for line in plain(text))
        return float(np.exp(-logs.mean())), float(-logs.sum() / np.log(2) / max(1, characters))


def _discounts(weights: Floats) -> Floats:
    """What is taken from n-grams that were seen never, once, twice and more often."""
    seen = [float((weights == times).sum()) for times in range(5)]
    share = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5
    taken = [times - (times + 1) * share * seen[times + 1] / seen[times] if seen[times] else 0.5 for times in (1, 2, 3)]
    return np.array([0.0, *(min(max(value, 0.0), times) for times, value in enumerate(taken, 1))])


def _splitter(texts: Sequence[str], pieces: int) -> Any:
    import sentencepiece

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "lines.txt")
        source.write_text("\n".join(line for text in texts for line in plain(text)), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(source), model_prefix=f"{folder}/pieces", vocab_size=pieces, model_type="unigram", unk_id=0,
            bos_id=_BOS, eos_id=_EOS, input_sentence_size=200_000, num_threads=1, minloglevel=2,
            hard_vocab_limit=False, max_sentence_length=20_000,
        )  # fmt: skip
        return sentencepiece.SentencePieceProcessor(model_proto=Path(folder, "pieces.model").read_bytes())
