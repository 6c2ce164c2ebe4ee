"""Asking the app, beside the requests, for which paths its authors refuse AI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from itertools import islice

from scrapeguard.core.glob import path_fault
from scrapeguard.core.sharing import RefusedPaths

logger = logging.getLogger("scrapeguard")

MAX_PATHS = 100_000
"""Patterns that are taken from an app; each costs about half a kilobyte of memory."""
MAX_WILDCARDS = 1_000
"""How many of them may hold a `*` before their end: those are tried one by one."""
LIMIT = 30.0
"""Seconds that the source may take."""

Source = Callable[[], Awaitable[Iterable[str]]]
"""Names the patterns, as in robots.txt: a beginning, `*` for anything, `$` for the end."""


class RefusedPathsJob:
    """Asks a source, and publishes what it names when that has changed.

    A source that fails changes nothing: what it named before stays in force.

    Args:
        source: the app's own function.
        publish: takes what it named.
        every: seconds between two questions.

    Raises:
        TypeError: the source cannot be called.
    """

    waits = True

    def __init__(self, source: Source, publish: Callable[[RefusedPaths], None], *, every: float) -> None:
        if not callable(source):
            raise TypeError("refused_paths must be a coroutine function that names paths")
        self.every = every
        self._source = source
        self._publish = publish
        self._answered: tuple[object, ...] = ()

    async def run_once(self) -> None:
        """Ask once.

        Raises:
            TypeError: the source is no coroutine function, or did not return several texts.
            TimeoutError: it takes too long.
        """
        async with asyncio.timeout(LIMIT):
            asked = self._source()
            if not isawaitable(asked):
                raise TypeError("the source of refused paths must be a coroutine function (async def)")
            answer = await asked
        if isinstance(answer, str):
            raise TypeError("the source of refused paths returned one text; it must return a list of them")
        answered = tuple(islice(answer, MAX_PATHS + 1))
        if answered != self._answered:
            # Worked through beside the event loop: there may be very many.
            self._publish(await asyncio.to_thread(_read, answered))
            self._answered = answered


def _read(answer: tuple[object, ...]) -> RefusedPaths:
    """What follows from the patterns that can be used; those that cannot are logged."""
    named: list[str] = []
    faults: list[tuple[object, str]] = []
    wildcards = 0
    for pattern in answer[:MAX_PATHS]:
        fault = path_fault(pattern) if isinstance(pattern, str) else "it is no text"
        if not isinstance(pattern, str) or fault:
            faults.append((pattern, fault or ""))
            continue
        if "*" in pattern.rstrip("*$"):
            wildcards += 1
            if wildcards > MAX_WILDCARDS:
                faults.append((pattern, f"over {MAX_WILDCARDS:,} hold a `*` before their end"))
                continue
        named.append(pattern)
    if faults:
        one, fault = faults[0]
        logger.error("refused paths that are ignored: %d, such as %.80r: %s", len(faults), one, fault)
    if len(answer) > MAX_PATHS:
        logger.error("the app named more than %d refused paths; those after that are ignored", MAX_PATHS)
    return RefusedPaths(named)
