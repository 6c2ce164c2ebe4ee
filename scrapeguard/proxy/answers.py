"""What the proxy answers itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from scrapeguard.proxy.types import Scope, Send

RETRY_AFTER = b"2"
"""Seconds after which a client may ask again where all connections are in use."""

_TEXTS = {
    400: "The request could be understood in more than one way.",
    408: "The request did not arrive in time.",
    421: "There is no such site here.",
    502: "The site behind this address cannot be reached, or gave no answer that can be understood.",
    503: "The site is busy. Try again in a moment.",
    504: "The site behind this address did not answer in time.",
    508: "The site behind this address leads back to itself.",
}


class Answer(NamedTuple):
    """A whole answer in plain text."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def answer_of(status: int, *, close: bool = False) -> Answer:
    """The answer with a status.

    Args:
        status: one of those that the proxy gives.
        close: whether the connection must end with it, since what follows on it may be no request (RFC 9112 §6.1).
    """
    body = f"{status} {HTTPStatus(status).phrase}\n\n{_TEXTS[status]}\n".encode()
    headers = plain_headers(body)
    if status == 503:
        headers.append((b"retry-after", RETRY_AFTER))
    if close:
        headers.append((b"connection", b"close"))
    return Answer(status, headers, body)


def plain_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    """The header fields of a short text that nobody may keep."""
    return [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"private, no-store"),
    ]


async def send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    """Send it, to HEAD without its body."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


async def deny_websocket(answer: Answer, scope: Scope, send: Send) -> None:
    """Refuse a handshake: with the answer where the server can (ASGI denial extension), else with its bare 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
