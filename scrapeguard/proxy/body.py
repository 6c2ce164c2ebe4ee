"""The body of an upstream's answer, part by part, and how it breaks."""

from __future__ import annotations

import asyncio

import aiohttp

from scrapeguard.errors import ScrapeGuardError


class BrokenAnswerError(ScrapeGuardError):
    """An answer that ended in the middle: raised, so that the server cuts the connection and no client takes it whole.

    (RFC 9112 §8.)
    """


class AnswerBody:
    """Reads the body of an answer.

    Args:
        response: whose head was read.
    """

    __slots__ = ("_closed", "_content", "_response")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self._closed: asyncio.Future[None] | None = None

    async def part(self) -> tuple[bytes, bool]:
        """What has come since, and whether there is more.

        Raises:
            BrokenAnswerError: the upstream ended it, or broke its framing.
        """
        content = self._content
        try:
            data = await content.readany()
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, RuntimeError, OSError) as error:
            raise BrokenAnswerError(f"{type(error).__name__}: {error}") from error
        if content.at_eof():
            return data, False
        if self._closed is None:
            self._watch()
        return data, True

    def close(self) -> None:
        """Read no more; a connection on which something is left is closed."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        self._response.close()

    def _watch(self) -> None:
        """Listen for the end of the connection: where its framing breaks, aiohttp would let a reader wait for ever."""
        connection = self._response.connection
        closed = connection.protocol.closed if connection is not None and connection.protocol is not None else None
        if closed is not None:
            self._closed = closed
            closed.add_done_callback(self._lost)

    def _lost(self, _: asyncio.Future[None]) -> None:
        content = self._content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the framing of the body is broken"))
