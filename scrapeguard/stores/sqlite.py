"""A store for the workers of one machine: a SQLite file, used by a thread of its own, for which no event loop waits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from secrets import token_bytes
from typing import Any, TypeVar

from scrapeguard.stores.port import Batch, StoreError, check_body
from scrapeguard.stores.sqlitefile import DatabaseFile, Position
from scrapeguard.stores.turns import Turns

T = TypeVar("T")

BUSY_TIMEOUT = 1.0
"""Seconds to wait while another process writes."""
LIMIT = 5.0
"""Seconds after which a disk that does not answer is an error."""


class SqliteStore:
    """One worker at a database file, which is opened when it is first used, in the process that uses it.

    A call that is cancelled goes on in its thread: its body is handed in then, unless the file fails. The next call
    waits for it, and returns what it had read.

    Args:
        path: the file; it is made where there is none, readable by its owner alone, in a folder that is there.
        clock: seconds since the epoch.
        token: makes the name of the worker, which no other has.
        busy_timeout: seconds to wait while another process writes.
        limit: seconds after which a disk that does not answer is an error.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        token: Callable[[int], bytes] = token_bytes,
        busy_timeout: float = BUSY_TIMEOUT,
        limit: float = LIMIT,
    ) -> None:
        self._open = partial(_Worker, path, clock, token, busy_timeout, limit)
        self._worker: _Worker | None = None
        # SQLite must not even close what a parent process opened (https://www.sqlite.org/howtocorrupt.html, 2.6).
        self._inherited: list[_Worker] = []
        self._turns = Turns()
        self._path = path

    def __repr__(self) -> str:
        return f"SqliteStore({str(self._path)!r})"

    async def exchange(self, body: bytes | None) -> list[Batch]:
        """See `Store`."""
        check_body(body)
        async with self._turns.turn():
            worker = self._here()
            # The position moves when the batches are on their way to the caller, not before.
            taken, worker.position = await worker.run(
                partial(worker.file.exchange, worker.token, body, worker.position)
            )
        return taken.batches

    async def close(self) -> None:
        """See `Store`."""
        async with self._turns.turn():
            await self._here().close()

    def _here(self) -> _Worker:
        """The worker of this process."""
        if self._worker is None or self._worker.pid != os.getpid():
            if self._worker is not None:
                self._inherited.append(self._worker)
            self._worker = self._open()
        return self._worker


class _Worker:
    """A thread with a database file, and how far it has read. A forked process has neither."""

    def __init__(
        self, path: Path, clock: Callable[[], float], token: Callable[[int], bytes], busy_timeout: float, limit: float
    ) -> None:
        self.pid = os.getpid()
        self.token = token(16)
        self.file = DatabaseFile(path, busy_timeout=busy_timeout, clock=clock)
        self.position = Position()
        self._limit = limit
        self._thread: ThreadPoolExecutor | None = None
        self._running: Future[Any] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """The result of work in the thread, after what a cancelled call has left running there."""
        if self._running is not None:
            await self._settled(self._running)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="scrapeguard-store")
        try:
            future = self._thread.submit(work)
        except RuntimeError as error:
            raise StoreError(f"store {self.file.path}: {error}") from None
        self._running = future
        await self._settled(future)
        self._running = None
        return future.result()

    async def _settled(self, future: Future[T]) -> None:
        settled = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(_: Future[T]) -> None:
            # The loop may have ended.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settled.set)

        future.add_done_callback(tell)
        try:
            async with asyncio.timeout(self._limit):
                await settled.wait()
        except TimeoutError:
            raise StoreError(f"store {self.file.path}: the disk has not answered for {self._limit:.0f} s") from None

    async def close(self) -> None:
        """Close the file in its thread, and end that; a disk that does not answer is left to itself."""
        if self._thread is None:
            return
        with suppress(StoreError):
            await self.run(self.file.close)
        thread, self._thread, self._running = self._thread, None, None
        thread.shutdown(wait=False)
