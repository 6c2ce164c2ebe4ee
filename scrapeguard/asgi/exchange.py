"""Telling other workers what happened here, and hearing from them, beside the requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from scrapeguard.core.journal import Journal

logger = logging.getLogger("scrapeguard")

EVERY = 0.25
"""Seconds between two exchanges."""


class Told(Protocol):
    """What another worker handed in, and when."""

    @property
    def time(self) -> float:
        """Seconds since the epoch."""

    @property
    def body(self) -> bytes:
        """Its batch."""


class Store(Protocol):
    """Where workers meet."""

    async def exchange(self, body: bytes | None) -> Sequence[Told]:
        """Hand in what is new here, and take what others handed in since."""


class ExchangeJob:
    """Exchanges what is known through a store; while that is lost, every worker goes by what it knows itself.

    Args:
        store: where the workers meet.
        name: what it is called in the log.
        journal: what happened here, and what is done with the rest.
        clock: seconds since the epoch.
        monotonic: seconds that never go back.
        failure: what a store raises that cannot be reached.
    """

    every = EVERY
    waits = True

    def __init__(
        self,
        store: Store,
        name: str,
        journal: Journal,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        failure: type[Exception],
    ) -> None:
        self._store = store
        self._name = name
        self.journal = journal
        self._clock = clock
        self._monotonic = monotonic
        self._failure = failure
        self._kept: bytes | None = None
        self._lost = False
        self._runs = False
        self.failures = 0
        """Exchanges that failed."""

    async def run_once(self) -> None:
        """One exchange; none where another is under way, as while a guard takes the place of another."""
        if self._runs:
            return
        self._runs = True
        try:
            await self._exchange()
        except asyncio.CancelledError:
            # It is handed in all the same, most of the time: to be told twice is worse than not at all.
            self._kept = None
            raise
        finally:
            self._runs = False

    async def _exchange(self) -> None:
        if self._kept is None:
            self._kept = self.journal.take(self._monotonic())
        try:
            told = await self._store.exchange(self._kept)
        except self._failure as error:
            self.failures += 1
            if not self._lost:
                self._lost = True
                logger.error(
                    "%s is lost, each worker goes by what it knows itself until it is back: %s", self._name, error
                )
            return
        if self._lost:
            self._lost = False
            logger.warning("%s is back", self._name)
        self._kept = None
        now, clock = self._monotonic(), self._clock()
        for one in told:
            self.journal.hear(one.body, clock - one.time, now)
