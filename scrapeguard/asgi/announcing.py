"""Adding what a site announces to the responses of its app, without changing what the app says itself."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from scrapeguard.asgi.types import Message, Send
from scrapeguard.core.request import Headers

_ROBOTS_TAG = b"x-robots-tag"


class Announcer:
    """Adds headers to every response; a header that the app sends itself stays as it is."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._names = frozenset(name for name, _ in headers)

    def wrap(self, send: Send) -> Send:
        """The send to give to the app. Not a coroutine of its own: it hands on the awaitable of the one it wraps."""
        if not self._headers:
            return send

        def announce(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                # A copy, since an app may send the same message again.
                message = {**message, "headers": self.added(message.get("headers", ()))}
            return send(message)

        return announce

    def added(self, theirs: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Their headers, and ours that they lack; for X-Robots-Tag a line with the directives that they lack."""
        headers = [*theirs]
        present = {name.lower() for name, _ in headers}
        if self._names.isdisjoint(present):
            return [*headers, *self._headers]
        for name, value in self._headers:
            if name not in present:
                headers.append((name, value))
            elif name == _ROBOTS_TAG and (missing := _missing_directives(value, headers)):
                headers.append((name, missing))
        return headers


def _missing_directives(ours: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Our directives less those that the app sends to every robot; a line that begins with a robot's name is for it."""
    said = {
        directive.strip().lower()
        for name, value in headers
        if name.lower() == _ROBOTS_TAG
        for directive in value.split(b",")
    }
    return b", ".join(directive for directive in ours.split(b", ") if directive not in said)
