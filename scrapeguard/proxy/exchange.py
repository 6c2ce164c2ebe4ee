"""One exchange: who is waited for and for how long, and whether the client is still there.

Rules of this file:

- An exchange is always in one phase, and each phase has one party that must move before its time is up.
- A request that is answered at once costs one timer and no task: only after a moment does anyone look out for a
  client that goes away.
- The end that a timer or the client brings is a cancellation of the task that serves the request, with its reason
  beside it. It is taken back where it is caught, so that a cancellation of somebody else's is never mistaken for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import Enum
from typing import NamedTuple

from scrapeguard.proxy.types import Receive

_MOMENT = 0.2
_LONGEST_LOOK = 5.0


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


class BodySentTwiceError(RuntimeError):
    """A body that was partly sent cannot be sent again on another connection."""


class Exchange:
    """Watches one exchange, in the task that serves it, from `begin` to `end`.

    Args:
        receive: what comes from the client.
        limits: how long each phase may last.
        has_body: whether the client sends a body; it is then read by iterating over the exchange.
    """

    __slots__ = (
        "_answered", "_begun", "_limits", "_loop", "_receive", "_since", "_task", "_timer", "_uploaded", "_watcher",
        "ended", "phase",
    )  # fmt: skip

    def __init__(self, receive: Receive, limits: Limits, *, has_body: bool) -> None:
        self._receive = receive
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._uploaded = None if not has_body else self._loop.create_future()
        self._begun = False
        self._answered = False
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self.phase = Phase.HEAD
        self.ended: Ended | None = None

    def begin(self) -> None:
        """Begin to watch."""
        self.enter(Phase.HEAD)
        self._timer = self._loop.call_at(self._since + min(_MOMENT, self._limit()), self._look)

    def end(self) -> None:
        """Stop watching: nothing is cancelled from here on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def enter(self, phase: Phase) -> None:
        """Another party must move, or the same again."""
        self.phase = phase
        self._since = self._loop.time()

    def answered(self) -> None:
        """The answer has begun."""
        self._answered = True

    def takes_back(self) -> bool:
        """Whether the cancellation that was just caught is ours, and the only one; it is then undone."""
        if self.ended is None or self._task is None:
            return False
        return self._task.uncancel() == 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body of the request, each part when the upstream has taken the one before.

        Raises:
            BodySentTwiceError: it was read already.
        """
        if self._begun:
            raise BodySentTwiceError("the body of the request is partly sent")
        self._begun = True
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

    def _limit(self) -> float:
        limits = self._limits
        if self.phase is Phase.HEAD:
            return limits.head
        return limits.idle if self.phase is Phase.BODY else limits.client

    def _look(self) -> None:
        """Look whether time is up, and from now on for a client that goes away."""
        until = self._since + self._limit()
        now = self._loop.time()
        if now >= until:
            self._cancel(Ended.LATE)
            return
        if self._watcher is None:
            self._watcher = self._loop.create_task(self._watch())
        self._timer = self._loop.call_at(min(until, now + _LONGEST_LOOK), self._look)

    async def _watch(self) -> None:
        if self._uploaded is not None:
            await self._uploaded
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel(Ended.GONE)

    def _cancel(self, why: Ended) -> None:
        if self.ended is None and self._task is not None:
            self.ended = why
            self._task.cancel()
