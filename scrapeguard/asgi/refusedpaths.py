"""Asking the app, beside the requests, for which paths its authors refuse AI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from scrapeguard.core.glob import path_fault
from scrapeguard.core.sharing import RefusedPaths

logger = logging.getLogger("scrapeguard")

MAX_PATHS = 100_000
"""Patterns that are taken from an app; each costs about 1 kB of memory."""

Source = Callable[[], Awaitable[Iterable[str]]]
"""Names the patterns, as in robots.txt: a beginning, `*` for anything, `$` for the end."""


class RefusedPathsJob:
    """Asks a source, and publishes what it names when that has changed.

    A source that fails changes nothing: what it named before stays in force.

    Args:
        source: the app's own function.
        publish: takes what it named.
        every: seconds between two questions.
    """

    waits = True

    def __init__(self, source: Source, publish: Callable[[RefusedPaths], None], *, every: float) -> None:
        self.every = every
        self._source = source
        self._publish = publish
        self._answered: tuple[object, ...] = ()

    async def run_once(self) -> None:
        """Ask once.

        Raises:
            TypeError: the source returned something else than several texts.
        """
        answer = await self._source()
        if isinstance(answer, str):
            raise TypeError("the source of refused paths returned one text; it must return a list of them")
        answered = tuple(answer)
        if answered != self._answered:
            # Worked through beside the event loop: there may be very many.
            self._publish(await asyncio.to_thread(_read, answered))
            self._answered = answered


def _read(answer: Iterable[object]) -> RefusedPaths:
    """What follows from the patterns that can be used; those that cannot are logged."""
    named: list[str] = []
    faults: list[tuple[str, str]] = []
    for pattern in answer:
        if not isinstance(pattern, str):
            raise TypeError(f"the source of refused paths named {pattern!r}, which is no text")
        if fault := path_fault(pattern):
            faults.append((pattern, fault))
        else:
            named.append(pattern)
    if faults:
        pattern, fault = faults[0]
        logger.error("%d refused paths are ignored, such as %r: %s", len(faults), pattern[:80], fault)
    if len(named) > MAX_PATHS:
        logger.error("the app named %d refused paths; those after the first %d are ignored", len(named), MAX_PATHS)
    return RefusedPaths(named[:MAX_PATHS])
