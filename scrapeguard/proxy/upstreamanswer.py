"""The answer of an upstream, part by part, and how it breaks."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage

from scrapeguard.errors import ScrapeGuardError
from scrapeguard.proxy.types import RawFields


class BrokenAnswerError(ScrapeGuardError):
    """An answer that ended in the middle: raised, so that the server cuts the connection and no client takes it whole.

    (RFC 9112 §8.)
    """


class UpstreamAnswer:
    """An answer whose head was read; it holds its connection until `close`, or the end of its body.

    Args:
        message: its head.
        content: its body.
        connection: on which it comes.
        upload: sends the body of the request; None where there is none.
    """

    __slots__ = ("_closed", "_connection", "_content", "_upload", "fields", "status")

    def __init__(
        self,
        message: RawResponseMessage,
        content: aiohttp.StreamReader,
        connection: Connection,
        upload: asyncio.Task[None] | None,
    ) -> None:
        self.status: int = message.code
        self.fields: RawFields = message.raw_headers
        """As they came."""
        self._content = content
        self._connection = connection
        self._upload = upload
        self._closed: asyncio.Future[None] | None = None
        if not content.is_eof():
            self._watch()

    def whole(self) -> bytes | None:
        """All of the body that is not read yet, if it is here; None where some is still to come.

        Raises:
            BrokenAnswerError: as `part`.
        """
        content = self._content
        if not content.is_eof():
            return None
        try:
            return content.read_nowait()
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise _broken(error) from error

    async def part(self) -> tuple[bytes, bool]:
        """What has come since, and whether there is more.

        Raises:
            BrokenAnswerError: the upstream ended it, or broke its framing.
        """
        content = self._content
        try:
            data = await content.readany()
        except (aiohttp.ClientError, HttpProcessingError, RuntimeError, OSError) as error:
            raise _broken(error) from error
        return data, not content.at_eof()

    def close(self) -> None:
        """Read no more; a connection on which something is left, either way, is closed."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        content, upload = self._content, self._upload
        if upload is not None and not upload.done():
            upload.cancel()
        elif content.is_eof() and content.exception() is None:
            self._connection.release()
            return
        self._connection.close()

    def _watch(self) -> None:
        """Listen for the end of the connection: where its framing breaks, aiohttp would let a reader wait for ever."""
        protocol = self._connection.protocol
        self._closed = None if protocol is None else protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._lost)

    def _lost(self, _: asyncio.Future[None]) -> None:
        content = self._content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the framing of the body is broken"))


def _broken(error: Exception) -> BrokenAnswerError:
    return BrokenAnswerError(f"{type(error).__name__}: {error}")
