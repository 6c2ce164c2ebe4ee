from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise, product
from math import log, sqrt
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.canaries.canary import Canary
from scrapeguard.canaries.ranktest import combined_p_value, holm, rank, rank_p_value

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "canary.yaml").read_text(encoding="utf-8"))
KEY = bytes.fromhex(CORPUS["key"])


@pytest.mark.parametrize("case", CORPUS["ranks"], ids=lambda case: case["name"])
def test_the_rank_is_that_of_the_served_one(case):
    assert rank(case["losses"], case["served"]) == case["rank"]
    assert rank_p_value(case["losses"], case["served"]) == case["p"]


@pytest.mark.parametrize("case", CORPUS["sums"], ids=lambda case: str(case["ranks"]))
def test_ranks_are_combined_by_their_sum(case):
    assert combined_p_value(case["ranks"], 16) == pytest.approx(case["p"], rel=1e-9)


@given(st.integers(1, 6), st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_the_combination_counts_every_row_of_ranks(count, ranks):
    ranks = [min(one, count) for one in ranks]
    rows = list(product(range(1, count + 1), repeat=len(ranks)))
    assert combined_p_value(ranks, count) == sum(sum(row) <= sum(ranks) for row in rows) / len(rows)


def test_the_combination_agrees_with_convolution_at_full_size():
    count, ranks = 1024, [17, 900, 333, 512, 1, 64]
    sums = {0: 1}
    for _ in ranks:
        prefix, running = {}, 0
        for total in range(max(sums) + count + 1):
            running += sums.get(total, 0)
            prefix[total] = running
        sums = {
            total: prefix[total - 1] - prefix.get(total - count - 1, 0)
            for total in range(1, max(sums) + count + 1)
            if total - 1 in prefix
        }
    exact = sum(rows for total, rows in sums.items() if total <= sum(ranks))
    assert combined_p_value(ranks, count) == exact / count ** len(ranks)


def test_hundreds_of_canaries_keep_their_exactness():
    assert combined_p_value([1] * 300, 1024) == 0.0  # 1024 ** -300, less than a float can say
    assert combined_p_value([1024] * 300, 1024) == 1.0
    half = combined_p_value([512] * 300, 1024)
    assert 0.48 < half < 0.5


@pytest.mark.parametrize("ranks", [[], [0], [1, 17], [-1]])
def test_what_is_no_rank_is_refused(ranks):
    with pytest.raises(ValueError, match="ranks from 1 to 16"):
        combined_p_value(ranks, 16)


def test_holm_corrects_for_the_number_of_agents():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == {
        "d": 0.02,
        "a": 0.03,
        "c": 0.06,
        "b": 0.06,
    }
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert holm({"a": 0.2}) == {"a": 0.2}
    assert holm({}) == {}


def _uniformity(p_values, cells):
    """Chi-squared of p-values over cells of equal probability."""
    counts = [0] * cells
    for value in p_values:
        counts[min(cells - 1, int(value * cells - 1e-12))] += 1
    expected = len(p_values) / cells
    return sum((count - expected) ** 2 / expected for count in counts)


@pytest.mark.parametrize("kind", ["smooth", "with ties", "favourites"])
def test_a_model_that_read_nothing_gets_uniform_p_values(kind):
    """The canaries are real: key, pick and rank; the model is anything that does not know the pick."""
    generator = random.Random(7)
    favourites = [generator.gauss(0, 2) for _ in range(64)]
    p_values = []
    for number in range(4000):
        canary = Canary(KEY, f"h{number}.example", "a", "e", count=64)
        losses = [generator.gauss(3, 0.3) for _ in range(64)]
        if kind == "with ties":
            losses = [round(loss, 1) for loss in losses]
        if kind == "favourites":
            losses = favourites
        p_values.append(rank_p_value(losses, canary.served_index))
    if kind == "with ties":
        # Ties count against us: no level is exceeded more often than it says.
        for level in (0.01, 0.05, 0.1, 0.25, 0.5):
            false_alarms = sum(p <= level for p in p_values) / len(p_values)
            assert false_alarms <= level + 3.1 * sqrt(level * (1 - level) / len(p_values))
    else:
        # With 15 degrees of freedom below 37.7 in 999 of 1,000 cases.
        assert _uniformity(p_values, 16) < 37.7


def test_combined_p_values_of_a_model_that_read_nothing_are_uniform():
    generator = random.Random(11)
    p_values = [combined_p_value([generator.randint(1, 1024) for _ in range(10)], 1024) for _ in range(3000)]
    assert _uniformity(p_values, 16) < 37.7


def test_a_model_that_read_it_is_found_with_twenty_canaries_and_mostly_missed_with_one():
    generator = random.Random(5)

    def power(canaries, runs=300):
        found = 0
        for _ in range(runs):
            ranks = []
            for _ in range(canaries):
                served = generator.gauss(-1, 1)
                ranks.append(1 + sum(generator.gauss(0, 1) <= served for _ in range(127)))
            found += combined_p_value(ranks, 128) <= 0.01
        return found / runs

    assert 0.05 < power(1) < 0.17
    assert power(20, 100) > 0.93


def _bigram_losses(read, texts):
    """Losses of a model that knows how often words followed on each other in what it read."""
    pairs, firsts = Counter(), Counter()
    for text in read:
        words = text.split()
        pairs.update(pairwise(words))
        firsts.update(words)
    return [
        sum(-log((pairs[pair] + 0.01) / (firsts[pair[0]] + 100)) for pair in pairwise(text.split())) for text in texts
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_model_that_read_copies_gives_itself_away_though_each_was_worded_anew(number):
    canary = Canary(KEY, f"h{number}.example", "gptbot", "2026-11")
    copies = [canary.paragraph(canary.page_id(f"/{page}")) for page in range(100)]
    assert rank(_bigram_losses(copies, list(canary.candidates())), canary.served_index) == 1


def test_a_model_that_read_the_copies_of_others_does_not():
    ranks = []
    for number in range(8):
        canary = Canary(KEY, f"h{number}.example", "gptbot", "2026-11", count=128)
        other = Canary(KEY, f"h{number}.example", "claudebot", "2026-11", count=128)
        copies = [other.paragraph(other.page_id(f"/{page}")) for page in range(50)]
        ranks.append(rank(_bigram_losses(copies, list(canary.candidates())), canary.served_index))
    assert combined_p_value(ranks, 128) > 0.01
