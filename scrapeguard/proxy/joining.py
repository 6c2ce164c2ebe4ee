"""Sending the head of an answer together with the beginning of its body."""

from __future__ import annotations

import asyncio
from typing import Any

_MOST_COPIED = 1 << 15
"""Octets of a part that is put behind a head; copying more costs as much as sending it apart."""


class JoiningTransport(asyncio.Transport):
    """A transport that keeps the head of an answer until its body follows, or the loop has come round once.

    uvicorn writes the two one after the other. Each write is a system call and a packet of its own, which costs more
    than all else that is done for a small page.

    Args:
        transport: takes what is written, in its order.
        loop: runs it.
    """

    __slots__ = ("_awaits_head", "_held", "_loop", "transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.transport = transport
        self._loop = loop
        self._held: bytes | bytearray | memoryview = b""
        self._awaits_head = False

    def await_head(self) -> None:
        """The next that is written is the head of an answer."""
        self._awaits_head = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, or keep for a moment; nothing where the connection has ended, of which the server may not know yet."""
        if self.transport.is_closing():
            self._held = b""
        elif self._held:
            held, self._held = self._held, b""
            if len(data) <= _MOST_COPIED:
                self.transport.write(b"".join((held, data)))
            else:
                self.transport.write(held)
                self.transport.write(data)
        elif self._awaits_head:
            self._awaits_head = False
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self.transport.write(data)

    def _flush(self) -> None:
        held, self._held = self._held, b""
        # uvloop raises where one writes on a connection that has ended.
        if held and not self.transport.is_closing():
            self.transport.write(held)

    def close(self) -> None:
        """Write what is kept, and close."""
        self._flush()
        self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._held = b""
        self.transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self.transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self.transport.get_extra_info(name, default)
