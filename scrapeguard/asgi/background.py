"""Work beside the requests: begun with the app, or with the first request where the server has no lifespan."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from scrapeguard.asgi.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("scrapeguard")

STARTUP_LIMIT = 10.0
"""Seconds that the start of an app waits for the first round of a job."""

Sleep = Callable[[float], Awaitable[object]]


class Job(Protocol):
    """Something to be done again and again; it logs its own failures and goes on with what it had."""

    every: float
    """Seconds between two rounds."""
    waits: bool
    """Whether the start of the app waits for the first round."""

    async def run_once(self) -> None:
        """One round."""


class Background:
    """Owns the tasks of some jobs.

    Args:
        jobs: what to do.
        sleep: waits for some seconds.
    """

    def __init__(self, jobs: Sequence[Job], *, sleep: Sleep = asyncio.sleep) -> None:
        self._jobs = tuple(jobs)
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; without effect where it runs already, in this event loop."""
        if self._task is None or self._task.done():
            self._begin(waited=False)

    def _begin(self, *, waited: bool) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # Under trio, say. The guard decides all the same, by what it knows.
            if self._jobs:
                logger.error("there is no asyncio event loop: nothing is done beside the requests")
            self._jobs = ()
            return
        self._task = loop.create_task(self._run(waited=waited))

    async def start_and_wait(self) -> None:
        """Begin, and wait until the jobs that ask for it have done their first round, though not for long."""
        firsts = [asyncio.create_task(_round(job)) for job in self._jobs if job.waits]
        late = (await asyncio.wait(firsts, timeout=STARTUP_LIMIT))[1] if firsts else ()
        for task in late:
            task.cancel()
            logger.error("work beside the requests took longer than %.0f s; the app starts without it", STARTUP_LIMIT)
        self._begin(waited=True)

    async def stop(self) -> None:
        """End, and wait for the end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, *, waited: bool) -> None:
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._repeat(job, at_once=not (waited and job.waits)))

    async def _repeat(self, job: Job, *, at_once: bool) -> None:
        if at_once:
            await _round(job)
        while True:
            await self._sleep(job.every)
            await _round(job)

    async def lifespan(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """The lifespan of an app, with ours in it: started last, when what the jobs ask is there, and stopped first."""

        async def send_started(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self.start_and_wait()
            await send(message)

        async def receive_stopped() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.stop()
            return message

        await app(scope, receive_stopped, send_started)


async def _round(job: Job) -> None:
    try:
        await job.run_once()
    except Exception:
        logger.exception("%s failed; what was known stays", type(job).__name__)
