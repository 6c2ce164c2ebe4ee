"""Reading the heads of answers, after which some upstreams send a body that the answer cannot have."""

from __future__ import annotations

import asyncio

from aiohttp.client_proto import ResponseHandler

_STATUS = slice(9, 12)
BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body (RFC 9112 §6.3)."""
_BODILESS_WORDS = frozenset(b"%d" % status for status in BODILESS)


class Heads(asyncio.Protocol):
    """Stands between a connection and aiohttp's handler of it until the head of the answer was read.

    To the parser all that follows an answer without a body is another answer (RFC 9112 §6.3); where it is none, the
    head that came in the same segment would be lost with it. So the heads of such answers, and of those that only tell
    of an answer to come, are handed on one at a time; any other goes on with what follows it, at once.

    Args:
        handler: reads the heads; its connection stands.
        to_head: whether HEAD was asked, whose answers have no body at all.
    """

    def __init__(self, handler: ResponseHandler, *, to_head: bool) -> None:
        self._handler = handler
        self._to_head = to_head
        self._begins = True
        self._has_head = False
        self._rest = b""
        if handler.transport is not None:
            handler.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Hand on what belongs to the head, line by line, or all where a body may follow."""
        if self._has_head:
            self._rest += data
            return
        if self._begins and not self._to_head and _has_body(data):
            self._step_aside()
            self._handler.data_received(data)
            return
        self._begins = False
        handler = self._handler
        lines = iter(data.splitlines(keepends=True))
        for line in lines:
            before = handler.should_close
            handler.data_received(line)
            # So it is while something waits to be read.
            if handler.should_close and not before:
                self._has_head = True
                break
        self._rest = b"".join(lines)

    def go_on(self) -> None:
        """Hand on another head: the one before was read, and is not the last."""
        if self._has_head:
            rest, self._rest = self._rest, b""
            self._begins, self._has_head = True, False
            if rest:
                self.data_received(rest)

    def end(self, status: int) -> None:
        """Hand the connection back after the last head, and what is left on it if that belongs to the answer."""
        self._step_aside()
        if not self._rest:
            return
        if self._to_head or status in BODILESS:
            # Nobody will use the connection again.
            self._handler.force_close()
        else:
            self._handler.data_received(self._rest)

    def _step_aside(self) -> None:
        if self._handler.transport is not None:
            self._handler.transport.set_protocol(self._handler)

    def eof_received(self) -> None:
        """Hand it on."""
        self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand it on."""
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._handler.resume_writing()


def _has_body(data: bytes) -> bool:
    """Whether the answer that begins here may have a body; what is too short to tell may not."""
    status = data[_STATUS]
    return len(status) == 3 and status[:1] != b"1" and status not in _BODILESS_WORDS
