"""The upstream side: aiohttp's connections, its parser of answers and its writer of bodies, and no more of it.

Its session would take the request apart and put it together anew (URL, fields, cookies, redirects), which costs more
than all the rest of the relay. What goes over the wire is written by `inbound`; here it is sent as it is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable
from ssl import SSLContext
from typing import NamedTuple
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage, StreamWriter
from yarl import URL

from scrapeguard.proxy.errors import UpstreamError, UpstreamTimeoutError
from scrapeguard.proxy.heads import Heads
from scrapeguard.proxy.upstream import Upstream
from scrapeguard.proxy.upstreamanswer import UpstreamAnswer

MOST_RESPONSE_LINE = 1 << 16
"""Octets in one field of a response, or in its status line."""
_READ_BUFFER = 1 << 16
_CRLF = re.compile(r"[\r\n\0]")
_SWITCHING = 101
_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that do no more when asked twice (RFC 9110 §9.2.2)."""


class Question(NamedTuple):
    """What is asked of an upstream.

    `head` is the request line and all fields as they go over the wire; `body` comes after it, in chunks where `chunked`
    says so, None for none.
    """

    method: str
    head: bytes
    body: AsyncIterable[bytes] | None = None
    chunked: bool = False


class _Towards(aiohttp.ClientRequest):
    """What a connector needs to know of where to connect; never sent."""

    def __init__(self, upstream: Upstream, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("GET", URL.build(scheme=upstream.scheme, host=upstream.host, port=upstream.port), loop=loop)
        self._key = super().connection_key

    @property
    def connection_key(self) -> ConnectionKey:
        return self._key


class _Route(NamedTuple):
    connector: aiohttp.BaseConnector
    towards: _Towards


class Client:
    """Asks upstreams. Connectors are opened by the first request, in its event loop, and kept until `close`.

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
        self._connectors: dict[str | None, aiohttp.BaseConnector] = {}
        self._routes: dict[Upstream, _Route] = {}
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def ask(self, upstream: Upstream, question: Question) -> UpstreamAnswer:
        """The answer of an upstream, its body not read yet.

        Raises:
            UpstreamError: there is no answer, or none that can be understood.
        """
        try:
            route = self._routes.get(upstream) or self._open(upstream)
            connection = await self._connect(route)
            was_kept = connection.protocol in self._used
            try:
                return await self._exchange(connection, question)
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                # A connection that was kept may end just as it is used again; on a new one it is the upstream's answer.
                if not was_kept or question.body is not None or question.method not in _SAFE_TO_REPEAT:
                    raise
            return await self._exchange(await self._connect(route), question)
        except TimeoutError as error:
            raise UpstreamTimeoutError("no connection in time") from error
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            raise UpstreamError(_CRLF.sub(" ", f"{type(error).__name__}: {error}")[:300]) from error

    async def _connect(self, route: _Route) -> Connection:
        """A connection on which nothing is left of what was said before.

        What an upstream sends unasked, such as a body after its answer to HEAD, would be read as the next answer.
        """
        while True:
            connection = await route.connector.connect(route.towards, [], self._timeout)
            protocol = connection.protocol
            if protocol is None or not protocol.should_close:
                return connection
            connection.close()

    async def _exchange(self, connection: Connection, question: Question) -> UpstreamAnswer:
        protocol, upload = connection.protocol, None
        try:
            if protocol is None:
                raise aiohttp.ServerDisconnectedError
            self._used.add(protocol)
            protocol.set_response_params(
                skip_payload=question.method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=_READ_BUFFER,
                max_line_size=MOST_RESPONSE_LINE,
                max_field_size=MOST_RESPONSE_LINE,
            )
            heads = Heads(protocol, to_head=question.method == "HEAD")
            if question.body is None:
                _send_head(protocol, question.head)
            else:
                loop = asyncio.get_running_loop()
                upload = loop.create_task(_send(protocol, loop, question, question.body))
            message, content = await _last_head(protocol, heads)
        except BaseException:
            if upload is not None:
                upload.cancel()
            connection.close()
            raise
        return UpstreamAnswer(message, content, connection, upload)

    def _open(self, upstream: Upstream) -> _Route:
        route = self._routes[upstream] = _Route(
            self._connector(upstream.path), _Towards(upstream, asyncio.get_running_loop())
        )
        return route

    def _connector(self, path: str | None) -> aiohttp.BaseConnector:
        """The connector of a Unix socket, or of all that is no Unix socket."""
        if path not in self._connectors:
            # How many connections there may be is counted by the relay, which answers where there are too many.
            tls = True if self._tls is None else self._tls
            self._connectors[path] = (
                aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keep_alive, ssl=tls)
                if path is None
                else aiohttp.UnixConnector(path, limit=0, keepalive_timeout=self._keep_alive)
            )
        return self._connectors[path]

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        connectors, self._connectors = self._connectors, {}
        self._routes = {}
        for connector in connectors.values():
            await connector.close()


async def _last_head(protocol: ResponseHandler, heads: Heads) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """The head of the answer itself, after those that only tell of it (RFC 9110 §15.2)."""
    message, content = await protocol.read()
    while message.code < 200 and message.code != _SWITCHING:
        heads.go_on()
        message, content = await protocol.read()
    heads.end(message.code)
    return message, content


async def _send(
    protocol: ResponseHandler, loop: asyncio.AbstractEventLoop, question: Question, body: AsyncIterable[bytes]
) -> None:
    """Send a request with its body, each part when the upstream has taken those before.

    The head waits for the first part, so that nothing is asked for whose body is malformed from the beginning. Whoever
    reads the answer learns of a failure.
    """
    writer = StreamWriter(protocol, loop)
    if question.chunked:
        writer.enable_chunking()
    head = question.head
    try:
        async for part in body:
            head = _send_head(protocol, head)
            await writer.write(part)
        _send_head(protocol, head)
        await writer.write_eof()
    except Exception as error:
        reason = f"the body could not be sent: {error!r}"
        protocol.set_exception(aiohttp.ClientPayloadError(reason), error)


def _send_head(protocol: ResponseHandler, head: bytes) -> bytes:
    """Send it, if it was not; what is left of it."""
    if head:
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        transport.write(head)
    return b""
