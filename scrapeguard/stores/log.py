"""Batches as a log: each ends at a place, which is the sum of all weights up to it, so that places never go back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scrapeguard.stores.port import MAX_HANDED_OUT, RETENTION, Batch, weight


class Entry(NamedTuple):
    """A batch in the log: where it ends, when and by whom it was handed in, and what it is."""

    end: int
    time: float
    worker: bytes
    body: bytes


class Taken(NamedTuple):
    """Batches of others, and the place up to which the log was read for them."""

    batches: list[Batch]
    end: int


def take(entries: Iterable[Entry], worker: bytes, start: int) -> Taken:
    """What a worker gets of the entries after `start`, in order: those of others, up to `MAX_HANDED_OUT`."""
    batches: list[Batch] = []
    end, size = start, 0
    for entry in entries:
        if entry.worker != worker:
            size += weight(entry.body)
            if size > MAX_HANDED_OUT:
                break
            batches.append(Batch(entry.time, entry.body))
        end = entry.end
    return Taken(batches, end)


def kept_times(now: float) -> tuple[float, float]:
    """The earliest and the latest time of a batch that is kept; a clock that was set back leaves some from later."""
    return now - RETENTION, now + RETENTION
