"""Stands outside the guard and writes down what left: which request got which status and the proofs of which pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bench.arena.addresses import public
from bench.arena.site import PROOF

_MAX_BODY = 1 << 20
_OBTAINED = frozenset({200, 203, 206})


class Hit(NamedTuple):
    """One request, and what it got.

    Args:
        at: seconds of the real clock.
        address: of the client, loopback.
        method: of HTTP.
        path: without the query.
        status: of the answer.
        pages: the numbers of the pages whose proofs were in it.
    """

    at: float
    address: str
    method: str
    path: str
    status: int
    pages: tuple[int, ...]


class Recorder:
    """An ASGI app around the guarded one.

    Args:
        app: the guarded app.
        proofs: the number of the page of each proof.
        now: seconds of the real clock.
    """

    def __init__(self, app: Any, proofs: Mapping[str, int], now: Callable[[], float]) -> None:
        self._app = app
        self._proofs = proofs
        self._now = now
        self.hits: list[Hit] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand the request on as if it came from the public address, and write down the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address, port = scope["client"]
        answer = _Answer(send)
        try:
            await self._app({**scope, "client": (public(address), port)}, receive, answer.send)
        finally:
            pages = self._pages(bytes(answer.body)) if answer.status in _OBTAINED else ()
            self.hits.append(Hit(self._now(), address, scope["method"], scope["path"], answer.status, pages))

    def _pages(self, body: bytes) -> tuple[int, ...]:
        found = (self._proofs.get(proof.decode()) for proof in re.findall(PROOF, body))
        return tuple({page for page in found if page is not None})


class _Answer:
    """What is sent, kept as it passes; status 0 where nothing is."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self.status = 0
        self.body = bytearray()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif len(self.body) < _MAX_BODY:
            self.body += message.get("body", b"")
        await self._send(message)
