"""Asking the app behind for a file of its own, as a client would, without a network."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from scrapeguard.asgi.scope import encoded_path
from scrapeguard.asgi.types import ASGIApp, Message, Receive, Scope
from scrapeguard.core.decision import Action, Decision

_MAX_REDIRECTS = 5
# What would let the app send a body past us, as a file or a descriptor.
_BODY_EXTENSIONS = ("http.response.pathsend", "http.response.zerocopysend")


class OwnFile(NamedTuple):
    """What the app answered; `body` is cut at the limit. A status of 0 means a redirect that leads out of the site."""

    status: int
    media_type: str
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether there is such a file."""
        return 200 <= self.status < 300

    @property
    def is_html(self) -> bool:
        """Whether it is a page: single-page apps answer with one whatever they are asked."""
        start = self.body[:256].lstrip().lower()
        return self.media_type in ("text/html", "application/xhtml+xml") or start.startswith((b"<!doctype", b"<html"))


async def fetch(app: ASGIApp, scope: Scope, receive: Receive, path: str, *, limit: int) -> OwnFile:
    """A file of the app, redirects inside the site followed; an app that fails answers 500.

    Args:
        app: the app.
        scope: the scope of the request that is the reason; host, scheme and server are taken from it.
        receive: that of the request: should its client go away, the app is told.
        path: where to begin.
        limit: octets of the body that are kept.
    """
    for _ in range(_MAX_REDIRECTS + 1):
        collected = _Collector(limit, receive)
        try:
            await app(_scope_for(scope, path), collected.receive, collected.send)
        except Exception:
            return OwnFile(500, "", b"")
        location = collected.headers.get(b"location")
        if not 300 <= collected.status < 400 or location is None:
            media_type = collected.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
            return OwnFile(collected.status, media_type, bytes(collected.body))
        target = _inside(scope, path, location.decode("latin-1"))
        if target is None:
            break
        path = target
    return OwnFile(0, "", b"")


class _Collector:
    """The two ends of a connection that wants a whole answer."""

    def __init__(self, limit: int, receive: Receive) -> None:
        self.status = 500
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self._limit = limit
        self._receive = receive
        self._asked = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # Apps listen for a client that goes away, and would stop if they were told so at once.
        message = await self._receive()
        while message["type"] != "http.disconnect":
            message = await self._receive()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {bytes(name).lower(): bytes(value) for name, value in message.get("headers", ())}
        elif message["type"] == "http.response.body":
            room = self._limit - len(self.body)
            self.body += message.get("body", b"")[: max(room, 0)]


def _scope_for(scope: Scope, path: str) -> Scope:
    """A plain GET for the path: nothing conditional, nothing encoded, no cookies."""
    host = [(name, value) for name, value in scope["headers"] if name == b"host"]
    asked, _, query = path.partition("?")
    extensions = {
        name: value for name, value in (scope.get("extensions") or {}).items() if name not in _BODY_EXTENSIONS
    }
    return {
        **scope,
        "method": "GET",
        "path": asked,
        "raw_path": encoded_path(asked).encode(),
        "query_string": query.encode(),
        "headers": [*host, (b"user-agent", b"scrapeguard"), (b"accept", b"text/plain, */*;q=0.1")],
        "extensions": extensions,
        "scrapeguard": Decision(Action.ALLOW, "default"),
    }


def _inside(scope: Scope, path: str, location: str) -> str | None:
    """The path that a Location leads to; None where it leads to another site."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")
    here = f"{scope.get('scheme', 'http')}://{host}"
    there = urlsplit(urljoin(here + path, location))
    if there.scheme not in ("http", "https") or there.netloc.lower() != host.lower():
        return None
    return (there.path or "/") + (f"?{there.query}" if there.query else "")
