"""Answering with decoys, within a budget: at once, or drop by drop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple, Protocol

from scrapeguard.asgi.refusal import NEVER_SHARED, content_headers
from scrapeguard.asgi.responders import Response, has_already
from scrapeguard.asgi.types import Receive, Scope, Send
from scrapeguard.core.budget import Budget
from scrapeguard.core.clients import address_key
from scrapeguard.core.decision import Action, Decision
from scrapeguard.core.request import Headers, Request

_DROPS = 24
_PAUSE = 2.5
"""Seconds between two drops: a page takes a minute."""


class Decoy(NamedTuple):
    """A generated answer: what it is, its headers but for those of the body, and the body.

    `note` is told the status with which it goes out; None where nobody wants to know.
    """

    media_type: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    note: Callable[[int], object] | None = None


class Maker(Protocol):
    """Makes decoys."""

    def decoy(self, request: Request, decision: Decision) -> Decoy:
        """The decoy for a request, the same on every visit of that agent."""


class Drip(NamedTuple):
    """An answer that is sent drop by drop to a client, whose connection was taken from the budget."""

    answer: Response
    client: str

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.answer.status


class Lie(Enum):
    """Whether a request may be answered with a decoy."""

    NEVER = auto()
    NOW = auto()
    LATER = auto()
    """In the answer to another request; this one gets the promise of it."""
    PROMISED = auto()


PROMISE = Response(200, (), b"")
"""Stands for a decoy that is made later, if there is something left to spend on it now."""
_READING = frozenset({"GET", "HEAD"})


class Decoying:
    """Answers with decoys as long as there is something left to spend on them.

    Args:
        maker: makes them.
        budget: what may be spent.
        monotonic: seconds that never go back.
        cpu: seconds of processor time that this thread has taken.
        pause: seconds between two drops of a tarpit.
        drips: whether there are tarpits; else all is sent at once.
    """

    def __init__(
        self,
        maker: Maker,
        budget: Budget,
        *,
        monotonic: Callable[[], float],
        cpu: Callable[[], float],
        pause: float = _PAUSE,
        drips: bool = True,
    ) -> None:
        self._drips = drips
        self._maker = maker
        self.budget = budget
        self._monotonic = monotonic
        self._cpu = cpu
        self._pause = pause

    def answer(
        self, decision: Decision, request: Request, announced: Headers, lie: Lie = Lie.NOW
    ) -> Response | Drip | None:
        """The answer to a request that gets a decoy; None where it gets none, or the budget is spent.

        Args:
            decision: on the request.
            request: what was asked for.
            announced: headers that the site sends with every response.
            lie: whether there may be one.
        """
        if lie is Lie.NEVER or request.method not in _READING:
            return None
        if lie is not Lie.PROMISED and not self.budget.has_left(self._monotonic()):
            return None
        return PROMISE if lie is Lie.LATER else self._answer(decision, request, announced)

    def _answer(self, decision: Decision, request: Request, announced: Headers) -> Response | Drip | None:
        client = address_key(decision.client or "")
        drips = self._drips and decision.action is Action.TARPIT
        if drips and not self.budget.open(client):
            return None
        try:
            response = self._made(decision, request, announced)
        except BaseException:
            if drips:
                self.budget.close(client)
            raise
        return Drip(response, client) if drips else response

    def _made(self, decision: Decision, request: Request, announced: Headers) -> Response:
        begun = self._cpu()
        media_type, said, body, note = self._maker.decoy(request, decision)
        headers = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in said)
        unchanged = any(name == b"etag" and has_already(request, value) for name, value in headers)
        if note is not None:
            note(304 if unchanged else 200)
        self.budget.spend(self._cpu() - begun, len(body))
        if unchanged:
            return Response(304, (*headers, *NEVER_SHARED), b"")
        own = (*content_headers(media_type.encode("latin-1"), body), *headers, *NEVER_SHARED)
        names = {name for name, _ in own}
        return Response(200, (*own, *(pair for pair in announced if pair[0] not in names)), body)

    async def drip(self, drip: Drip, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer drop by drop, until all is sent or the client has gone."""
        gone = asyncio.ensure_future(_gone(receive))
        try:
            answer = drip.answer
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            body = b"" if scope["method"] == "HEAD" else answer.body
            size = max(-(-len(body) // _DROPS), 1)
            for start in range(0, len(body), size):
                await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
                await asyncio.wait({gone}, timeout=self._pause)
                if gone.done():
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self.budget.close(drip.client)


async def _gone(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
