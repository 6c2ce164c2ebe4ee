"""One call after another, in whichever event loop of whichever process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A lock that is not bound to an event loop: where a loop or a process has ended, what it held is held no more."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._place: tuple[int, asyncio.AbstractEventLoop] | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """A turn, once those that came before have ended; whether it is the first in this loop of this process."""
        place = os.getpid(), asyncio.get_running_loop()
        moved = self._place != place
        if moved:
            self._lock, self._place = asyncio.Lock(), place
        async with self._lock:
            yield moved
