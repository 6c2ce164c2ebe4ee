"""How often clients ask, in the windows that the rules speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scrapeguard.core.recent import Recent

MAX_CLIENTS = 20_000
"""Clients in mind, in each of two generations (see `Recent`)."""
NO_RATES: Mapping[float, float] = {}


class Rate(NamedTuple):
    """So many requests within so many seconds."""

    requests: int
    seconds: float


class _Count:
    """Requests of one client in the window that runs and in the one before it."""

    __slots__ = ("before", "begun", "now")

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.now = self.before = 0

    def add(self, window: float, number: int, now: float) -> float:
        """Count requests, and say how many came within the last window, by the share of the one before."""
        passed = now - self.begun
        if passed >= window:
            self.before = self.now if passed < 2 * window else 0
            self.now = 0
            self.begun = now - passed % window
            passed = now - self.begun
        self.now += number
        return self.now + self.before * (1 - passed / window)


class Rates:
    """Counts the requests of clients; each window is kept as two numbers, whatever comes.

    Args:
        windows: lengths in seconds that the rules ask for; with none, nothing is counted.
        size: how many clients are kept in mind, in each of two generations.
    """

    def __init__(self, windows: Iterable[float], *, size: int = MAX_CLIENTS) -> None:
        self._windows = tuple(sorted(set(windows)))
        self._clients: Recent[str, tuple[_Count, ...]] = Recent(size)
        self._new: dict[str, int] = {}
        self._most_new = size

    def __bool__(self) -> bool:
        return bool(self._windows)

    def note(self, client: str, now: float, number: int = 1) -> Mapping[float, float]:
        """Count requests of a client, and say for each window how many came within it so far.

        Args:
            client: its address, as `address_key` gives it.
            now: seconds that never go back.
            number: how many requests.
        """
        counts = self._clients[client]
        if counts is None:
            counts = tuple(_Count(now) for _ in self._windows)
            self._clients.put(client, counts)
        return {window: count.add(window, number, now) for window, count in zip(self._windows, counts, strict=True)}

    def note_here(self, client: str, now: float) -> Mapping[float, float]:
        """The same for one request that came to this worker, of which the others are to be told."""
        if len(self._new) < self._most_new:
            self._new[client] = self._new.get(client, 0) + 1
        return self.note(client, now)

    def take_new(self) -> dict[str, int]:
        """The requests counted since the last call, by client."""
        new, self._new = self._new, {}
        return new
