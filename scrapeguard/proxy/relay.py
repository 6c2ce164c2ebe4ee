"""The relay: an ASGI app that hands every request to an upstream, and its answer back."""

from __future__ import annotations

import asyncio
from ssl import SSLContext, create_default_context
from typing import NamedTuple, NoReturn

from scrapeguard.core.forwarded import Proxies
from scrapeguard.errors import RequestError
from scrapeguard.proxy.answers import Answer, answer_of, deny_websocket, send_answer
from scrapeguard.proxy.client import Client, Question
from scrapeguard.proxy.errors import UpstreamError, UpstreamTimeoutError
from scrapeguard.proxy.exchange import Ended, Exchange, Limits, Phase, Watch
from scrapeguard.proxy.fields import ResponseNames, response_fields
from scrapeguard.proxy.heads import BODILESS
from scrapeguard.proxy.inbound import Inbound, MisdirectedError, Reader
from scrapeguard.proxy.slots import Slots
from scrapeguard.proxy.trouble import Troubles
from scrapeguard.proxy.types import Receive, Scope, Send
from scrapeguard.proxy.upstream import Upstream, Upstreams
from scrapeguard.proxy.upstreamanswer import BrokenAnswerError, UpstreamAnswer
from scrapeguard.proxy.websocket import relay_websocket

_NO_STATUS = 600
"""From here on there are none (RFC 9110 §15), and servers cannot send any."""


class Ceilings(NamedTuple):
    """How much may be open at once in one process.

    `exchanges` are requests under way, each with a connection to an upstream; `patience` the seconds that a further one
    waits for its turn, before it gets 503; `websockets` are open WebSockets; `message` the octets of one message.
    """

    exchanges: int = 4096
    patience: float = 2.0
    websockets: int = 4096
    message: int = 16 << 20


class Relay:
    """Relays HTTP and WebSocket to upstreams: `ScrapeGuard(Relay(Upstreams(Upstream.of("http://127.0.0.1:3000"))))`.

    Args:
        upstreams: whose site a host is.
        proxies: whose word about a client is taken and passed on; by default nobody's.
        limits: how long each party may be silent.
        ceilings: how much may be open at once.
        client: asks the upstreams; shared by relays that follow each other, so that connections outlive them. By
            default one of its own, closed when the server shuts down.
        tls: how https upstreams are verified; None for the authorities of the machine.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        proxies: Proxies | None = None,
        limits: Limits | None = None,
        ceilings: Ceilings | None = None,
        client: Client | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        self._reader = Reader(upstreams, proxies or Proxies())
        self._limits = limits or Limits()
        self._ceilings = ceilings or Ceilings()
        self._owns_client = client is None
        self._client = client or Client(tls=tls)
        self._tls = tls
        self._slots = Slots(self._ceilings.exchanges, self._ceilings.patience)
        self._websockets = Slots(self._ceilings.websockets, self._ceilings.patience)
        self._troubles = Troubles()
        self._watch = Watch(self._limits)
        self._names = ResponseNames()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection as ASGI asks.

        Raises:
            BrokenAnswerError: the upstream failed when the client had a part of its answer already.
        """
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            raise NotImplementedError(f"ASGI scope {scope['type']!r}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            inbound = self._reader.read(scope)
        except RequestError as error:
            await send_answer(self._refused(error, close=True), scope, send)
            return
        try:
            if not self._slots.take_at_once():
                await self._slots.take()
        except UpstreamError as error:
            await send_answer(self._failed(inbound, error), scope, send)
            return
        try:
            answer = await self._exchange(inbound, receive, send)
        finally:
            self._slots.give_back()
        if answer is not None:
            await send_answer(answer, scope, send)

    def _refused(self, error: RequestError, *, close: bool) -> Answer:
        if isinstance(error, MisdirectedError):
            self._troubles.note_misdirected(error.host)
        return answer_of(error.status, close=close)

    async def _exchange(self, inbound: Inbound, receive: Receive, send: Send) -> Answer | None:
        """Relay one request; what to answer in the upstream's stead, or None where all is said."""
        has_body = inbound.has_body
        exchange = self._watch.begin(receive, has_body=has_body)
        question = Question(inbound.method, inbound.octets(), exchange if has_body else None, inbound.head.chunked)
        response: UpstreamAnswer | None = None
        try:
            response = await self._client.ask(inbound.upstream, question)
            exchange.answered()
            await self._relay_answer(inbound, response, exchange, send)
        except asyncio.CancelledError:
            if not exchange.takes_back():
                raise
            return self._ended(inbound, exchange, begun=response is not None)
        except UpstreamError as error:
            return self._failed(inbound, error)
        finally:
            self._watch.end(exchange)
            if response is not None:
                response.close()
        return None

    async def _relay_answer(self, inbound: Inbound, response: UpstreamAnswer, exchange: Exchange, send: Send) -> None:
        """Hand the answer on, part by part, as the client takes it.

        Raises:
            UpstreamError: it cannot be understood; nothing was sent yet.
            BrokenAnswerError: it ended in the middle.
        """
        status = response.status
        bodiless = status in BODILESS
        fields = response_fields(response.fields, self._names, bodiless=bodiless)
        if fields is None or not 200 <= status < _NO_STATUS:
            raise UpstreamError("a malformed header field" if fields is None else f"status {status}")
        exchange.enter(Phase.DOWNLOAD)
        await send({"type": "http.response.start", "status": status, "headers": fields})
        try:
            rest = b"" if bodiless or inbound.method == "HEAD" else response.whole()
            while rest is None:
                exchange.enter(Phase.BODY)
                part, more = await response.part()
                exchange.enter(Phase.DOWNLOAD)
                if not more:
                    rest = part
                elif part:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except BrokenAnswerError as error:
            self._break(inbound, str(error))
        # The upstream is done, however long the client takes for what is left.
        response.close()
        await send({"type": "http.response.body", "body": rest, "more_body": False})
        self._troubles.none(inbound.upstream)

    def _ended(self, inbound: Inbound, exchange: Exchange, *, begun: bool) -> Answer | None:
        """What to answer where an exchange was ended early."""
        if exchange.ended is Ended.GONE:
            return None
        if begun:
            self._break(inbound, exchange.phase.value)
        if exchange.phase is Phase.UPLOAD:
            return answer_of(408, close=True)
        return self._failed(inbound, UpstreamTimeoutError(exchange.phase.value))

    def _failed(self, inbound: Inbound, error: UpstreamError) -> Answer:
        self._troubles.note(inbound.upstream, error)
        # Of a body that is not read to its end, the rest still comes on this connection.
        return answer_of(error.status, close=inbound.has_body)

    def _break(self, inbound: Inbound, reason: str) -> NoReturn:
        raise BrokenAnswerError(f"{inbound.upstream}: {reason}") from None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            inbound = self._reader.read(scope)
            await self._websockets.take()
        except RequestError as error:
            await deny_websocket(self._refused(error, close=False), scope, send)
            return
        except UpstreamError as error:
            await deny_websocket(answer_of(error.status), scope, send)
            return
        try:
            await relay_websocket(
                inbound,
                scope,
                receive,
                send,
                limits=self._limits,
                most=self._ceilings.message,
                tls=self._verification_of(inbound.upstream),
            )
        except UpstreamError as error:
            await deny_websocket(self._failed(inbound, error), scope, send)
        finally:
            self._websockets.give_back()

    def _verification_of(self, upstream: Upstream) -> SSLContext | None:
        """How an upstream is verified; the authorities of the machine are read once, and where they are needed."""
        if upstream.scheme != "https":
            return None
        self._tls = self._tls or create_default_context()
        return self._tls

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._owns_client:
            await self._client.close()
        await send({"type": "lifespan.shutdown.complete"})
