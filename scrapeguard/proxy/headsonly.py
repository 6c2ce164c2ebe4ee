"""Reading the answers to HEAD, after which some upstreams send a body all the same."""

from __future__ import annotations

import asyncio

from aiohttp.client_proto import ResponseHandler


class HeadsOnly(asyncio.Protocol):
    """Stands between a connection and aiohttp's handler of it, and hands on one head at a time.

    To the parser all that follows such a head is another answer (RFC 9110 §9.3.2); where it is none, the head that came
    in the same segment would be lost with it.

    Args:
        handler: reads the heads; its connection stands.
    """

    def __init__(self, handler: ResponseHandler) -> None:
        self._handler = handler
        self._rest = b""
        self._has_head = False
        if handler.transport is not None:
            handler.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Hand on what belongs to the head, line by line."""
        if self._has_head:
            self._rest += data
            return
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
        self._has_head = False
        self.data_received(self._rest)

    def end(self) -> None:
        """Hand the connection back; where something is left on it, nobody will use it again."""
        handler = self._handler
        if handler.transport is not None:
            handler.transport.set_protocol(handler)
        if self._rest:
            handler.force_close()

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
