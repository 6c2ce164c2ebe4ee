"""Can a classifier that knows the decoys of one site tell those of others? fastText over words and pairs of words."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path


def taken_for_real(
    real: Sequence[str], known: Sequence[str], others: Sequence[Sequence[str]], seed: int = 0
) -> tuple[float, list[float]]:
    """The share of unseen real pages, and of the decoys of each other site, that a classifier takes for real.

    It learns from three quarters of the real pages and from the decoys of one site, which it sees equally often: those
    that are fewer are repeated.
    """
    import fasttext

    mixed = list(real)
    random.Random(seed).shuffle(mixed)
    held_out = len(mixed) // 4
    lines = [f"__label__real {_line(text)}" for text in mixed[held_out:]]
    lines *= max(1, round(len(known) / max(1, len(lines))))
    lines += [f"__label__decoy {_line(text)}" for text in known]
    random.Random(seed).shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "train.txt")
        file.write_text("\n".join(lines), encoding="utf-8")
        model = fasttext.train_supervised(
            str(file), wordNgrams=2, epoch=10, lr=0.5, dim=50, bucket=200_000, thread=1, verbose=0
        )

    def share(texts: Sequence[str]) -> float:
        found = [model.f.predict(f"{_line(text)}\n", 1, 0.0, "strict")[0][1] for text in texts]
        return found.count("__label__real") / max(1, len(found))

    return share(mixed[:held_out]), [share(texts) for texts in others]


def _line(text: str) -> str:
    plain = text.lower().translate(str.maketrans("\u201c\u201d\u2019\u2018", "\"\"''"))
    return re.sub(r'([.,!?"();:])', r" \1 ", " ".join(plain.split()))
