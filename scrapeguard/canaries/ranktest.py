"""Exact tests: where the served candidate ranks among those that nobody was shown.

A model that never saw the served text has no reason to prefer it, since a secret coin chose it among texts of one kind.
So its rank is uniform, whatever the score is; that is known and needs no model of what is normal (Zhang, Das, Kamath,
Tramèr, SaTML 2025, arXiv 2409.19798).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb


def rank(losses: Sequence[float], served: int) -> int:
    """The rank of the served candidate by its loss, 1 the lowest; of equal losses it comes last."""
    own = losses[served]
    return sum(loss <= own for loss in losses)


def rank_p_value(losses: Sequence[float], served: int) -> float:
    """The probability of such a rank, or a better one, of a text that the model never saw."""
    return rank(losses, served) / len(losses)


def combined_p_value(ranks: Sequence[int], count: int) -> float:
    """The probability that the sum of so many independent ranks of 1 to `count` is no larger than this one.

    Exact: of the `count ** M` equally likely rows of M ranks those with such a sum are counted in whole numbers, by
    inclusion and exclusion of the ranks that would be larger than `count`.

    Raises:
        ValueError: there is no rank, or one is not from 1 to `count`.
    """
    if not ranks or not all(1 <= one <= count for one in ranks):
        raise ValueError(f"ranks from 1 to {count} are expected, at least one")
    number, total = len(ranks), sum(ranks)
    rows = sum(
        (-1) ** over * comb(number, over) * comb(total - count * over, number)
        for over in range((total - number) // count + 1)
    )
    probability: float = rows / count**number
    return probability


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for having asked several questions: any false alarm stays as rare as said (Holm 1979)."""
    adjusted: dict[str, float] = {}
    least = 0.0
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, p_value * (len(p_values) - place)))
        adjusted[name] = least
    return adjusted
