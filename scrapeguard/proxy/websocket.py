"""Relaying a WebSocket: message by message, both ways, until either side ends it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Response
from websockets.uri import WebSocketURI

from scrapeguard.proxy.answers import Answer, deny_websocket
from scrapeguard.proxy.errors import UpstreamError, UpstreamTimeoutError
from scrapeguard.proxy.exchange import Limits
from scrapeguard.proxy.fields import ResponseNames, response_fields
from scrapeguard.proxy.inbound import Inbound
from scrapeguard.proxy.types import Receive, Scope, Send

_PING_EVERY = 30.0
_PONG_WITHIN = 60.0
_CLOSE_WITHIN = 10.0
_MOST_REASON = 123  # octets of a reason in a close frame (RFC 6455 §5.5)
_HANDSHAKE = frozenset(
    b"sec-websocket-key sec-websocket-version sec-websocket-extensions sec-websocket-protocol".split()
)
"""The fields of a handshake that each side of it has of its own."""

NORMAL, GOING_AWAY, NO_STATUS, ABNORMAL, BAD_GATEWAY = 1000, 1001, 1005, 1006, 1014
"""Close codes (RFC 6455 §7.4.1 and its registry); 1005 and 1006 are never sent."""


class _Connect(connect):
    """A handshake with the target and the Host field of the client, wherever the upstream listens; never redirected."""

    def __init__(self, inbound: Inbound, **options: Any) -> None:
        secure = inbound.upstream.scheme == "https"
        super().__init__("wss://localhost/" if secure else "ws://localhost/", **options)
        host, port = _host_and_port(inbound.host.decode("ascii"), 443 if secure else 80)
        # Not by its URI, of which urllib takes a part for parameters.
        self.ws_uri = WebSocketURI(secure, host, port, as_text(inbound.target), "")

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _host_and_port(host: str, default: int) -> tuple[str, int]:
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name, port = host, ""
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    return name, int(port) if port else default


async def relay_websocket(
    inbound: Inbound,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    limits: Limits,
    most: int,
    tls: ssl.SSLContext | None,
) -> None:
    """Relay one WebSocket, or the upstream's refusal of it.

    Args:
        inbound: what is asked.
        scope: of the handshake.
        receive: from the client, which has asked to connect.
        send: to the client.
        limits: how long the upstream may take to answer.
        most: octets of one message.
        tls: how an https upstream is verified; None where it is not one.

    Raises:
        UpstreamError: there is no answer, or none that can be understood; nothing was sent to the client.
    """
    options = _options(inbound, scope, most, tls)
    try:
        connection = await _Connect(inbound, open_timeout=limits.head, **options)
    except InvalidStatus as refusal:
        await _relay_refusal(refusal.response, scope, send)
        return
    except TimeoutError as error:
        raise UpstreamTimeoutError("no answer to the handshake in time") from error
    except (WebSocketException, OSError, ValueError) as error:
        raise UpstreamError(f"{type(error).__name__}: {error}"[:300]) from error
    try:
        await _accept(connection, send)
        await _pump(connection, receive, send)
    finally:
        # Does nothing where it is closed; where we are cancelled, the upstream learns that its client left.
        await connection.close(GOING_AWAY)


def _options(inbound: Inbound, scope: Scope, most: int, tls: ssl.SSLContext | None) -> dict[str, Any]:
    upstream = inbound.upstream
    options: dict[str, Any] = {
        "additional_headers": [
            (name.decode("ascii"), as_text(value)) for name, value in inbound.fields if name not in _HANDSHAKE
        ],
        "subprotocols": scope.get("subprotocols") or None,
        "user_agent_header": None,
        "compression": None,
        "proxy": None,
        "max_size": most,
        "ping_interval": _PING_EVERY,
        "ping_timeout": _PONG_WITHIN,
        "close_timeout": _CLOSE_WITHIN,
    }
    if upstream.path is not None:
        return {**options, "unix": True, "path": upstream.path}
    options |= {"host": upstream.host, "port": upstream.port}
    if upstream.scheme == "https":
        options |= {"ssl": tls, "server_hostname": upstream.host}
    return options


def as_text(value: bytes) -> str:
    """A value as text that becomes the same octets again as UTF-8; what is no UTF-8 is read as Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _accept(connection: ClientConnection, send: Send) -> None:
    response = connection.response
    fields = [] if response is None else response_fields(_raw(response), ResponseNames(), bodiless=False)
    if fields is None:
        raise UpstreamError("a malformed field in the answer to the handshake")
    headers = [field for field in fields if not field[0].startswith(b"sec-websocket-")]
    await send({"type": "websocket.accept", "subprotocol": connection.subprotocol, "headers": headers})


async def _relay_refusal(response: Response, scope: Scope, send: Send) -> None:
    fields = response_fields(_raw(response), ResponseNames(), bodiless=False)
    if fields is None or response.status_code < 200:
        raise UpstreamError("a malformed answer to the handshake")
    body = bytes(response.body or b"")
    headers = [field for field in fields if field[0] != b"content-length"]
    headers.append((b"content-length", b"%d" % len(body)))
    await deny_websocket(Answer(response.status_code, headers, body), scope, send)


def _raw(response: Response) -> list[tuple[bytes, bytes]]:
    fields = response.headers.raw_items()
    return [(name.encode("ascii"), value.encode("utf-8", "surrogateescape")) for name, value in fields]


async def _pump(connection: ClientConnection, receive: Receive, send: Send) -> None:
    """Carry messages both ways until one side ends; each waits until the other side has taken what it sent."""
    ways = {
        asyncio.ensure_future(_to_upstream(connection, receive)),
        asyncio.ensure_future(_to_client(connection, send)),
    }
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    for way in done:
        way.result()


async def _to_upstream(connection: ClientConnection, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            code, reason = _sendable(message.get("code", NO_STATUS), message.get("reason") or "", GOING_AWAY)
            await connection.close(code, reason)
            return
        text = message.get("text")
        try:
            await connection.send(message["bytes"] if text is None else text)
        except ConnectionClosed:
            # The other way tells the client, when it has handed on what came before.
            await asyncio.get_running_loop().create_future()


async def _to_client(connection: ClientConnection, send: Send) -> None:
    try:
        while True:
            data = await connection.recv()
            key = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", key: data})
    except ConnectionClosed as closed:
        end = closed.rcvd or closed.sent
        code, reason = (ABNORMAL, "") if end is None else (end.code, end.reason)
        code, reason = _sendable(code, reason, BAD_GATEWAY)
        await send({"type": "websocket.close", "code": code, "reason": reason})


def _sendable(code: int, reason: str, lost: int) -> tuple[int, str]:
    """A close code that may be sent, for one that was received; `lost` stands for a connection that just broke."""
    if code == NO_STATUS:
        return NORMAL, ""
    if code == ABNORMAL:
        return lost, ""
    allowed = (NORMAL <= code <= BAD_GATEWAY and code not in (1004, NO_STATUS, ABNORMAL)) or 3000 <= code < 5000
    short = reason.encode()[:_MOST_REASON].decode(errors="ignore")
    return (code, short) if allowed else (NORMAL, short)
