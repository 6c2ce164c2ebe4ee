"""uvicorn's fast HTTP protocol with bounds that it lacks: of the size of a head, and of the time that one may take.

It also drops trailers, which uvicorn adds to the header fields: a client could write there what a proxy before us had
taken out. And it sends the head of an answer with its body, where both are there.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from scrapeguard.proxy.joining import JoiningTransport

MOST_HEAD = 1 << 16
"""Octets of a request line and its fields, as much as uvicorn allows under h11; of what frames a body, too."""
HEAD_WITHIN = 30.0
"""Seconds in which a head must be there, from the first octet of it or from the beginning of the connection.

Trailers have as long after the answer. So has what is left of a body, from the last octet of it that came.
"""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections on which a head or trailers grow too long, or do not come."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = False
        self._in_body = False
        self._body_moved = False
        self._head_size = 0
        self._awaited_since: float | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self.transport = self._joining = JoiningTransport(transport, self.loop)
        self._awaited_since = self.loop.time()
        self._head_timer = self.loop.call_later(HEAD_WITHIN, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Stop waiting: the connection is another protocol's now."""
        self._stop_waiting()
        self.transport = self._joining.transport
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Take octets, and count those of heads that are not whole yet, and those that frame a body or follow it."""
        self._body_moved = False
        super().data_received(data)
        if self._in_head or (self._in_body and not self._body_moved):
            self._await_head()
            self._head_size += len(data)
            if self._head_size > MOST_HEAD and not self.transport.is_closing():
                self._refuse()
        elif self._is_idle():
            # Empty lines before a head, or what is left of a message that is answered: either tells the server that
            # the connection is in use.
            self._await_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of a head; trailers come the same way, and nobody reads them (RFC 9110 §6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_head = False
        self._in_body = True
        self._came()
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self._joining.await_head()

    def on_body(self, body: bytes) -> None:
        """Some of the body is there."""
        self._came()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there, and the trailers."""
        self._in_body = False
        self._came()
        super().on_message_complete()

    def _came(self) -> None:
        self._body_moved = True
        self._head_size = 0
        self._awaited_since = None

    def _refuse(self) -> None:
        if self._in_head:
            self.send_400_response("The head of the request is too long.")
        else:
            # The answer may be under way, or there already.
            self.transport.close()

    def _await_head(self) -> None:
        if self._awaited_since is None:
            self._awaited_since = self.loop.time()

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()

    def _look(self) -> None:
        now = self.loop.time()
        since = self._awaited_since
        if since is not None and now >= since + HEAD_WITHIN and self._is_idle():
            self.transport.close()
            return
        until = now if since is None or not self._is_idle() else since
        self._head_timer = self.loop.call_at(until + HEAD_WITHIN, self._look)
