"""The outermost app of the proxy: tells whether it serves, and dates every answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from scrapeguard.proxy.answers import Answer, plain_headers, send_answer
from scrapeguard.proxy.types import ASGIApp, Message, Receive, Scope, Send

HEALTH = "/.well-known/scrapeguard/health"
"""Answered by the proxy itself, to everybody: 200 while it serves, 503 while it drains."""


class Front:
    """Stands before the guard.

    Args:
        app: the guarded relay.
        clock: seconds since the epoch.
    """

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.time) -> None:
        self._app = app
        self._clock = clock
        self._second = -1
        self._date = b""
        self.draining = False
        """Whether this process is about to end; balancers that ask for its health then send clients elsewhere."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one connection as ASGI asks. No coroutine of its own: it hands on the awaitable of the app."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        if scope["path"] == HEALTH and scope["method"] in ("GET", "HEAD"):
            return send_answer(self._health(), scope, self._dated(send))
        return self._app(scope, receive, self._dated(send))

    def _health(self) -> Answer:
        body = b"draining\n" if self.draining else b"serving\n"
        return Answer(503 if self.draining else 200, plain_headers(body), body)

    def _dated(self, send: Send) -> Send:
        """A send that adds the date where the upstream sent none (RFC 9110 §6.6.1)."""

        def dated(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if b"date" not in dict(headers):
                    message = {**message, "headers": [*headers, (b"date", self._now())]}
            return send(message)

        return dated

    def _now(self) -> bytes:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._date = formatdate(second, usegmt=True).encode()
        return self._date
