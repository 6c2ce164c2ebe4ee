"""A store in the memory of one process: for a single worker, for several guards in one process, and for tests."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import takewhile
from secrets import token_bytes
from threading import Lock

from scrapeguard.stores.log import Entry, Taken, kept_times, take
from scrapeguard.stores.port import MAX_KEPT, Batch, check_body, weight


class Hub:
    """What the memory stores of a process exchange through; they may live in several threads.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque()
        self._end = 0
        self._lock = Lock()

    def exchange(self, worker: bytes, body: bytes | None, start: int) -> Taken:
        """Keep the body, and take what others handed in after `start`."""
        with self._lock:
            now = self._clock()
            if body:
                self._end += weight(body)
                self._entries.append(Entry(self._end, now, worker, body))
            self._prune(now)
            new = list(takewhile(lambda entry: entry.end > start, reversed(self._entries)))
            return take(reversed(new), worker, start)

    def _prune(self, now: float) -> None:
        earliest, latest = kept_times(now)
        entries = self._entries
        while entries and (entries[0].end - weight(entries[0].body) < self._end - MAX_KEPT):
            entries.popleft()
        while entries and not earliest <= entries[0].time <= latest:
            entries.popleft()


class MemoryStore:
    """One worker at a hub. Nothing in it waits or fails.

    Args:
        hub: where it exchanges; by default one of its own, where nobody else is.
        token: makes the name of the worker, which no other has.
    """

    def __init__(self, hub: Hub | None = None, *, token: Callable[[int], bytes] = token_bytes) -> None:
        self._hub = hub or Hub()
        self._worker = token(16)
        self._end = 0

    async def exchange(self, body: bytes | None) -> list[Batch]:
        """See `Store`."""
        check_body(body)
        batches, self._end = self._hub.exchange(self._worker, body, self._end)
        return batches

    async def close(self) -> None:
        """See `Store`."""
