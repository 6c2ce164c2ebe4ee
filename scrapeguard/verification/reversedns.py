"""Forward-confirmed reverse DNS: the name of an address must be the operator's, and lead back to the address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from scrapeguard.core.address import Address, parse_address
from scrapeguard.core.glob import word_pattern
from scrapeguard.core.recent import Recent

logger = logging.getLogger("scrapeguard")

LIMIT = 2.0
"""Seconds for one check, however many names it takes."""
REMEMBERED = {True: 86_400.0, False: 3_600.0, None: 300.0}
"""Seconds for which an answer is remembered: confirmed, refuted, or none at all."""
_MAX_NAMES = 4
_MAX_WAITING = 1024
_MAX_AT_ONCE = 32
_MAX_REMEMBERED = 16_384


class Resolver(Protocol):
    """The DNS. Both raise OSError where there is no answer; that a name does not exist is an answer, and empty."""

    async def names(self, address: Address) -> list[str]:
        """The names of an address (PTR)."""

    async def addresses(self, name: str) -> list[str]:
        """The addresses of a name (A and AAAA)."""


async def confirm(address: Address, patterns: tuple[str, ...], resolver: Resolver) -> bool | None:
    """Whether the address is one of those whose names the patterns stand for; None where nobody answers in time.

    Args:
        address: the client's.
        patterns: suffixes with their leading dot, such as `.googlebot.com`, or names with `*`.
        resolver: the DNS.
    """
    try:
        async with asyncio.timeout(LIMIT):
            names = [name.rstrip(".").lower() for name in await resolver.names(address)]
            for name in [name for name in names if is_name_of(name, patterns)][:_MAX_NAMES]:
                if address in map(parse_address, await resolver.addresses(name)):
                    return True
    except (OSError, TimeoutError):
        return None
    return False


def is_name_of(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name (lower case, no final dot) is one of those that the patterns stand for."""
    return any(
        name.endswith(pattern.lower()) if pattern.startswith(".") else word_pattern(pattern).matches(name)
        for pattern in patterns
    )


class _Answer(NamedTuple):
    until: float
    confirmed: bool | None


class ReverseDns:
    """Answers from memory, and finds out beside the requests what it does not know yet.

    Args:
        resolver: the DNS.
        monotonic: seconds that never go back.
    """

    every = 0.0
    waits = False

    def __init__(self, resolver: Resolver, *, monotonic: Callable[[], float]) -> None:
        self._resolver = resolver
        self._monotonic = monotonic
        self._answers: Recent[tuple[Address, tuple[str, ...]], _Answer] = Recent(_MAX_REMEMBERED)
        self._waiting: dict[tuple[Address, tuple[str, ...]], None] = {}
        self._wake: asyncio.Event | None = None
        self.dropped = 0
        """Questions that were not asked, since too many were waiting."""

    @property
    def is_asked(self) -> bool:
        """Whether a question waits for an answer."""
        return bool(self._waiting)

    def known(self, address: Address, patterns: tuple[str, ...]) -> tuple[bool, bool | None]:
        """Whether there is an answer, and which; where there is none, it will be asked for."""
        key = (address, patterns)
        answer = self._answers[key]
        if answer is not None and self._monotonic() < answer.until:
            return True, answer.confirmed
        self._want(key)
        # An answer that has grown old counts until there is another one.
        return (False, None) if answer is None else (True, answer.confirmed)

    def _want(self, key: tuple[Address, tuple[str, ...]]) -> None:
        if key in self._waiting:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self.dropped += 1
            return
        self._waiting[key] = None
        if self._wake is not None:
            self._wake.set()

    async def run_once(self) -> None:
        """Wait for questions, and ask them."""
        self._wake = asyncio.Event()
        if not self._waiting:
            await self._wake.wait()
        keys = list(self._waiting)[:_MAX_AT_ONCE]
        try:
            await asyncio.gather(*(self._ask(key) for key in keys))
        finally:
            for key in keys:
                self._waiting.pop(key, None)

    async def _ask(self, key: tuple[Address, tuple[str, ...]]) -> None:
        address, patterns = key
        try:
            confirmed = await confirm(address, patterns, self._resolver)
        except Exception:
            logger.exception("the reverse DNS of %s could not be asked for", address)
            confirmed = None
        self._answers.put(key, _Answer(self._monotonic() + REMEMBERED[confirmed], confirmed))
