"""From what left the server to what a client got."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from bench.arena.groups import Group
from bench.arena.recorder import Hit

PATIENCE = 10.0
"""Seconds within which a page must follow a refusal, for a person to have waited for it and not to have lost it."""
_SERVED = frozenset({200, 203, 206, 304})


class Score(NamedTuple):
    """What came of a client.

    Args:
        name: of the client.
        group: of the client.
        requests: all of them.
        pages: of the site that it obtained.
        share: of the site that it obtained.
        first_refused: which request was the first that was refused, from 1; None if none was.
        challenged: refused first and served within seconds.
        refused: never served after all. A path counts once for each address.
        lost: pages that a person says never came.
        seconds: that the visit took.
        skipped: why it did not take part; empty if it did.
    """

    name: str
    group: Group
    requests: int = 0
    pages: int = 0
    share: float = 0.0
    first_refused: int | None = None
    challenged: int = 0
    refused: int = 0
    lost: int = 0
    seconds: float = 0.0
    skipped: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing was measured."""
        target = self.group.target
        if self.skipped:
            return None
        if target.share is not None:
            return self.share <= target.share
        if target.pages is not None:
            return self.pages <= target.pages
        return None if target.refused is None else self.refused + self.lost <= target.refused


def score(
    name: str,
    group: Group,
    hits: Sequence[Hit],
    known: Collection[str],
    pages: int,
    lost: int = 0,
    seconds: float = 0.0,
) -> Score:
    """What came of a client.

    Args:
        name: of the client.
        group: of the client.
        hits: what left, in order.
        known: the paths that the site itself answers; what is asked for elsewhere can be refused to nobody.
        pages: how many the site has.
        lost: pages that never came, as the client says.
        seconds: that the visit took.
    """
    refusals = [number for number, hit in enumerate(hits) if hit.path in known and hit.status not in _SERVED]
    challenged, refused = _sort(hits, refusals)
    obtained = {page for hit in hits for page in hit.pages}
    return Score(
        name,
        group,
        requests=len(hits),
        pages=len(obtained),
        share=len(obtained) / pages,
        first_refused=refusals[0] + 1 if refusals else None,
        challenged=challenged,
        refused=refused,
        lost=lost,
        seconds=seconds,
    )


def _sort(hits: Sequence[Hit], refusals: Sequence[int]) -> tuple[int, int]:
    """How many of the refused paths were served soon after, and how many not."""
    served: dict[tuple[str, str], list[float]] = {}
    for hit in hits:
        if hit.status in _SERVED:
            served.setdefault((hit.address, hit.path), []).append(hit.at)
    later: dict[tuple[str, str], bool] = {}
    for hit in (hits[number] for number in refusals):
        place = hit.address, hit.path
        followed = any(0 <= at - hit.at <= PATIENCE for at in served.get(place, ()))
        later[place] = later.get(place, True) and followed
    followed_by_page = sum(later.values())
    return followed_by_page, len(later) - followed_by_page
