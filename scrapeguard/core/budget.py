"""One budget for all work on decoys: a share of the processor, octets a second, and open connections."""

from __future__ import annotations

from collections import Counter

_SECONDS = 10.0
"""What is not used is saved for so long, and no longer."""


class Budget:
    """What may be spent on decoys; what is spent fills up again with time.

    Args:
        cpu: seconds of processor time that may be spent in a second.
        rate: octets that may be sent in a second.
        connections: how many may be held open at once.
        per_client: how many of them by one client.
        now: seconds that never go back.
    """

    def __init__(self, *, cpu: float, rate: float, connections: int, per_client: int, now: float) -> None:
        self._cpu_rate, self._octet_rate = cpu, rate
        self._cpu, self._octets = cpu * _SECONDS, rate * _SECONDS
        self._now = now
        self._connections = connections
        self._per_client = per_client
        self._open = 0
        self._by_client: Counter[str] = Counter()
        self.refused = 0
        """How often there was nothing left to spend."""

    def has_left(self, now: float) -> bool:
        """Whether something may be spent now."""
        passed = max(now - self._now, 0.0)
        self._now = now
        self._cpu = min(self._cpu + passed * self._cpu_rate, self._cpu_rate * _SECONDS)
        self._octets = min(self._octets + passed * self._octet_rate, self._octet_rate * _SECONDS)
        left = self._cpu > 0 and self._octets > 0
        self.refused += not left
        return left

    def spend(self, cpu: float, octets: int = 0) -> None:
        """Take away what a page took, in seconds of processor time and octets; the last may take more than is left.

        Another thread may call it: at worst what it says is lost once, when both do so in the same instant.
        """
        self._cpu -= cpu
        self._octets -= octets

    def open(self, client: str) -> bool:
        """Hold a connection of a client open, if there is one left for it; to be given back by `close`."""
        if self._open >= self._connections or self._by_client[client] >= self._per_client:
            self.refused += 1
            return False
        self._open += 1
        self._by_client[client] += 1
        return True

    def close(self, client: str) -> None:
        """Give a connection back."""
        self._open -= 1
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]

    @property
    def held(self) -> int:
        """Connections that are held open now."""
        return self._open
