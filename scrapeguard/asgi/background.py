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
        self._waited: list[asyncio.Event] = []
        self.running = not self._jobs
        """Whether nothing is to be begun. An attribute, since it is asked for with every request."""
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Begin; without effect where it runs already, in this event loop."""
        if self.running:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # Under trio, say. The guard decides all the same, by what it knows.
            logger.error("there is no asyncio event loop: nothing is done beside the requests")
            self.running = True
            return
        self._waited = [asyncio.Event() for job in self._jobs if job.waits]
        self._task = loop.create_task(self._run())
        self._task.add_done_callback(self._ended)
        self.running = True

    def _ended(self, _: asyncio.Task[None]) -> None:
        """A loop that ends takes its tasks with it; another may follow."""
        self.running = False

    async def start_and_wait(self) -> None:
        """Begin, and wait until the jobs that ask for it have done their first round, though not for long."""
        self.start()
        if self._task is None:
            return
        try:
            async with asyncio.timeout(STARTUP_LIMIT):
                for done in self._waited:
                    await done.wait()
        except TimeoutError:
            logger.error("work beside the requests took longer than %.0f s; the app starts without it", STARTUP_LIMIT)

    async def stop(self) -> None:
        """End, and wait for the end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        waited = iter(self._waited)
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._repeat(job, next(waited) if job.waits else asyncio.Event()))

    async def _repeat(self, job: Job, done: asyncio.Event) -> None:
        while True:
            await self._round(job)
            done.set()
            if _is_cancelled():
                return
            await self._sleep(job.every)

    async def _round(self, job: Job) -> None:
        """One round; what fails is logged once for each reason, and tried again."""
        name = type(job).__name__
        try:
            await job.run_once()
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            logger.error("%s cancelled itself; what was known stays", name)
        except Exception as error:
            if self._told.get(name) != repr(error):
                logger.exception("%s failed; what was known stays", name)
            self._told[name] = repr(error)
        else:
            self._told.pop(name, None)

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


def _is_cancelled() -> bool:
    """Whether this task was told to end, though a job may have kept the exception to itself.

    `asyncio.wait_for` of Python 3.11 does, where what it waits for is done in the same moment.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
