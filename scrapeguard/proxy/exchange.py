"""Exchanges: who is waited for and for how long, and whether the client is still there.

Rules of this file:

- An exchange is always in one phase, and each phase has one party that must move before its time is up.
- A request that is answered at once costs neither timer nor task: one timer looks at all exchanges now and then, and
  only one that it has seen before is looked out for a client that goes away.
- The end that the watch or the client brings is a cancellation of the task that serves the request, with its reason
  beside it. It is taken back where it is caught, so that a cancellation of somebody else's is never mistaken for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import Enum
from typing import NamedTuple

from scrapeguard.proxy.types import Receive

LOOK_EVERY = 0.2
"""Seconds between two looks at all exchanges; nothing is ended earlier than its limit, but up to so much later."""


class Limits(NamedTuple):
    """Seconds that each party may be silent.

    `head`: the upstream, once it has the request, until its answer begins. `idle`: the upstream, between two parts of
    the body of its answer. `client`: the client, while it sends a body or takes one.
    """

    head: float = 60.0
    idle: float = 300.0
    client: float = 60.0


class Phase(Enum):
    """Who must move."""

    UPLOAD = "the client did not go on sending the body"
    HEAD = "the upstream did not begin to answer"
    BODY = "the upstream did not go on with the body of its answer"
    DOWNLOAD = "the client did not go on taking the body"


class Ended(Enum):
    """Why an exchange was ended early."""

    GONE = "the client went away"
    LATE = "time was up"


class Exchange:
    """One exchange, in the task that serves it, from `Watch.begin` to `Watch.end`.

    Args:
        receive: what comes from the client.
        task: serves the request.
        has_body: whether the client sends a body; it is then read by iterating over the exchange, once.
    """

    __slots__ = (
        "_answered", "_moved", "_receive", "_seen", "_since", "_task", "_uploaded", "_watcher", "ended", "phase",
    )  # fmt: skip

    def __init__(self, receive: Receive, task: asyncio.Task[object], *, has_body: bool) -> None:
        self._receive = receive
        self._task = task
        self._uploaded: asyncio.Future[None] | None = task.get_loop().create_future() if has_body else None
        self._answered = False
        self._watcher: asyncio.Task[None] | None = None
        self._moved = True
        self._seen = False
        self._since = 0.0
        self.phase = Phase.HEAD
        self.ended: Ended | None = None

    def enter(self, phase: Phase) -> None:
        """Another party must move, or the same again."""
        self.phase = phase
        self._moved = True

    def answered(self) -> None:
        """The answer has begun."""
        self._answered = True

    def takes_back(self) -> bool:
        """Whether the cancellation that was just caught is ours, and the only one; it is then undone."""
        return self.ended is not None and self._task.uncancel() == 0

    def look(self, now: float, limits: Limits) -> None:
        """Look whether time is up, and from the second look on for a client that goes away."""
        if self._moved:
            self._moved = False
            self._since = now
        elif now >= self._since + self._limit(limits):
            self._cancel(Ended.LATE)
        if self._watcher is None and self._seen:
            self._watcher = self._task.get_loop().create_task(self._watch())
        self._seen = True

    def close(self) -> None:
        """Cancel nothing from here on."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body of the request, each part when the upstream has taken the one before."""
        more = True
        while more:
            self.enter(Phase.UPLOAD)
            message = await self._receive()
            self.enter(Phase.BODY if self._answered else Phase.HEAD)
            if message["type"] == "http.disconnect":
                self._cancel(Ended.GONE)
                raise ConnectionResetError("the client went away")
            more = message.get("more_body", False)
            if part := message.get("body", b""):
                yield part
        if self._uploaded is not None and not self._uploaded.done():
            self._uploaded.set_result(None)

    def _limit(self, limits: Limits) -> float:
        if self.phase is Phase.HEAD:
            return limits.head
        return limits.idle if self.phase is Phase.BODY else limits.client

    async def _watch(self) -> None:
        if self._uploaded is not None:
            await self._uploaded
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel(Ended.GONE)

    def _cancel(self, why: Ended) -> None:
        if self.ended is None:
            self.ended = why
            self._task.cancel()


class Watch:
    """Looks at all exchanges that are under way.

    Args:
        limits: how long each phase may last.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._exchanges: set[Exchange] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, receive: Receive, *, has_body: bool) -> Exchange:
        """Begin to watch an exchange in the task that is running."""
        # To be told which loop runs takes a system call, and it hardly ever is another one.
        task = (self._loop and asyncio.current_task(self._loop)) or asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is served in a task")
        exchange = Exchange(receive, task, has_body=has_body)
        self._exchanges.add(exchange)
        if self._loop is not task.get_loop():
            self._loop = task.get_loop()
            self._loop.call_later(LOOK_EVERY, self._look, self._loop)
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Stop watching it: nothing is cancelled from here on."""
        self._exchanges.discard(exchange)
        exchange.close()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        if not self._exchanges:
            # The next exchange begins it anew.
            self._loop = None
            return
        now = loop.time()
        for exchange in tuple(self._exchanges):
            exchange.look(now, self._limits)
        loop.call_later(LOOK_EVERY, self._look, loop)
