"""How many may do something at once."""

from __future__ import annotations

import asyncio
from collections import deque

from scrapeguard.proxy.errors import UpstreamBusyError


class Slots:
    """How many may do something at once, and how long the others wait for their turn.

    Args:
        most: how many.
        patience: seconds that one waits.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._free = most
        self._most_waiting = most
        self._patience = patience
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take_at_once(self) -> bool:
        """Take a turn, if there is one and nobody waits for it."""
        if self._free <= 0 or self._waiting:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Take a turn.

        Raises:
            UpstreamBusyError: there was none in time, or too many wait already.
        """
        if self.take_at_once():
            return
        if len(self._waiting) >= self._most_waiting:
            raise UpstreamBusyError("too many requests wait for the upstream")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            self._resign(turn)
            if isinstance(error, TimeoutError):
                raise UpstreamBusyError("the upstream is busy") from None
            raise

    def give_back(self) -> None:
        """End a turn: it goes to who has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _resign(self, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            # It came just as its owner went.
            self.give_back()
        elif turn in self._waiting:
            self._waiting.remove(turn)
