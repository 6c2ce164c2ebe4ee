"""The upstream side: one aiohttp session for each way to an upstream, and what becomes of its failures.

aiohttp is asked for its connections and its parser only: redirects, cookies, decoding and headers of its own are off.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable
from ssl import SSLContext
from typing import Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from scrapeguard.errors import ScrapeGuardError
from scrapeguard.proxy.types import Fields
from scrapeguard.proxy.upstream import Upstream

MOST_RESPONSE_LINE = 1 << 16
"""Octets in one field of a response, or in its status line."""
_READ_BUFFER = 1 << 16
_CRLF = re.compile(r"[\r\n\0]")


class UpstreamError(ScrapeGuardError):
    """An upstream that gave no answer; `status` is what the client gets (RFC 9110 §15.6)."""

    status = 502


class UpstreamTimeoutError(UpstreamError):
    """Nothing came from the upstream in time."""

    status = 504


class UpstreamBusyError(UpstreamError):
    """As many connections are open as there may be."""

    status = 503


class Slots:
    """How many may do something at once, and how long the others wait for their turn.

    Args:
        most: how many.
        patience: seconds that one waits.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._semaphore = asyncio.Semaphore(most)
        self._patience = patience
        self._most_waiting = most
        self._waiting = 0

    async def take(self) -> None:
        """Take a turn.

        Raises:
            UpstreamBusyError: there was none in time, or too many wait already.
        """
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        if self._waiting >= self._most_waiting:
            raise UpstreamBusyError("too many requests wait for the upstream")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._semaphore.acquire()
        except TimeoutError:
            raise UpstreamBusyError("the upstream is busy") from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        """End a turn."""
        self._semaphore.release()


class _ExactRequest(aiohttp.ClientRequest):
    """A request with the fields that it is given, and none of the client's own."""

    # Read by the base class where it would add a Content-Type to a body.
    _skip_auto_headers = CIMultiDict({hdrs.CONTENT_TYPE: None})

    def update_headers(self, headers: Any) -> None:
        self.headers = CIMultiDict(headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        """None are wanted."""


class Client:
    """Asks upstreams. Sessions are opened by the first request, in its event loop, and kept until `close`.

    Args:
        connect_timeout: seconds until a connection must stand.
        keep_alive: seconds that an idle connection is kept: less than servers keep theirs (uvicorn and Node 5 s), since
            a request that meets the end of its connection fails.
        tls: how https upstreams are verified; None for the authorities of the machine.
    """

    def __init__(self, *, connect_timeout: float = 5.0, keep_alive: float = 4.0, tls: SSLContext | None = None) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._keep_alive = keep_alive
        self._tls = tls
        self._sessions: dict[str | None, aiohttp.ClientSession] = {}

    async def ask(
        self, upstream: Upstream, method: str, target: str, fields: Fields, body: AsyncIterable[bytes] | None
    ) -> aiohttp.ClientResponse:
        """The response of an upstream, its body not read yet.

        Args:
            upstream: whom to ask.
            method: in capitals; others would be changed.
            target: as it came: nothing in it is normalised.
            fields: all of the request's, Host and those that frame the body too.
            body: what is sent, None for none.

        Raises:
            UpstreamError: there is no answer, or none that can be understood.
        """
        session = self._sessions.get(upstream.path) or self._open(upstream.path)
        # The whole target as the path: a query of its own would be taken apart and put together anew.
        url = URL.build(scheme=upstream.scheme, authority=upstream.authority, path=target, encoded=True)
        try:
            return await session.request(method, url, headers=fields, data=body, allow_redirects=False)
        except TimeoutError as error:
            raise UpstreamTimeoutError("no connection in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UpstreamError(_CRLF.sub(" ", f"{type(error).__name__}: {error}")[:300]) from error

    def _open(self, path: str | None) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if path is None:
            # How many there may be is counted by the relay, which answers where there are too many.
            tls = True if self._tls is None else self._tls
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keep_alive, ssl=tls)
        else:
            connector = aiohttp.UnixConnector(path, limit=0, keepalive_timeout=self._keep_alive)
        session = self._sessions[path] = aiohttp.ClientSession(
            connector=connector,
            request_class=_ExactRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            read_bufsize=_READ_BUFFER,
            max_line_size=MOST_RESPONSE_LINE,
            max_field_size=MOST_RESPONSE_LINE,
        )
        return session

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
