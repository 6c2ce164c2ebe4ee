"""The way of a response to the client: what the app says to us is taken out, what the site announces is added."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from scrapeguard.asgi.announcing import SHARING, Announcements
from scrapeguard.asgi.injecting import Injector, headers_of_injected
from scrapeguard.asgi.responders import Response
from scrapeguard.asgi.types import Message, Scope, Send
from scrapeguard.core.decision import Decision
from scrapeguard.core.request import Request

_DENY = b"deny"
_HEADS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""The messages that carry headers."""


_Pair = tuple[bytes, bytes]


class Additions(NamedTuple):
    """What is done to the responses of a site.

    `announcements` are said with each page. `refusal` makes what the client gets where the app says that the author
    refuses AI; None where that changes nothing. `injector` puts links to traps into pages; None leaves them alone.
    """

    announcements: Announcements
    refusal: Callable[[Request, Decision], Response | None]
    injector: Injector | None = None


def announcing(additions: Additions, request: Request, scope: Scope, send: Send) -> Send:
    """The send to give to an app in place of the one that it wraps.

    It is no coroutine, but hands on the awaitable of the other. Most answers are ordinary: there is nothing to be done
    but to add our headers, and no `Outgoing` to be made for it.

    Args:
        additions: what is done to the response.
        request: what was asked for.
        scope: of the exchange; the app may mark the decision in it.
        send: to the client.
    """
    decision: Decision = scope["scrapeguard"]
    outgoing: Outgoing | None = None

    def hand_on(message: Message) -> Awaitable[None]:
        nonlocal outgoing
        if outgoing is None:
            if message["type"] == "http.response.body":
                return send(message)
            headers = _ordinary(additions, request, decision, message)
            if headers is not None:
                # A copy, since an app may send the same message again.
                return send({**message, "headers": headers})
            outgoing = Outgoing(additions, request, scope, send)
        return outgoing.send(message)

    return hand_on


def _ordinary(additions: Additions, request: Request, decision: Decision, message: Message) -> list[_Pair] | None:
    """The headers of an ordinary answer, with ours among them; None where there is more to be looked at."""
    headers = message.get("headers")
    if type(headers) is not list or decision.ai_refused or message["type"] != "http.response.start":
        return None
    voice = additions.announcements.of_page(request)
    if additions.injector is not None or message["status"] == 404:
        return None
    if voice.curious and additions.announcements.is_telling(voice, request, dict(headers)):
        return None
    return voice.added_to_ordinary(headers)


class Outgoing:
    """Stands between the app and the client for one exchange, where there is something to be looked at.

    Args:
        additions: what is done to the response.
        request: what was asked for.
        scope: of the exchange; the app may mark the decision in it.
        send: to the client.
    """

    def __init__(self, additions: Additions, request: Request, scope: Scope, send: Send) -> None:
        self._link = b""
        self._looks = False
        self._refused = False
        self._additions = additions
        self._request = request
        self._scope = scope
        self._send = send
        self._decision: Decision = scope["scrapeguard"]

    def send(self, message: Message) -> Awaitable[None]:
        """Send what there is to be sent in place of a message of the app."""
        if self._refused:
            return self._swallow(message)
        if message["type"] in _HEADS:
            return self._head(message)
        if self._link or self._looks:
            message = self._body(message)
        return self._send(message)

    def _body(self, message: Message) -> Message:
        """A part of a page that we look through, or add to."""
        if message["type"] != "http.response.body":
            return message
        if self._looks:
            # What a page links to stands in its head; one look at the first part of a few pages is enough.
            self._looks = False
            self._additions.announcements.look_through(self._request, message.get("body", b""))
        if self._link and not message.get("more_body"):
            return {**message, "body": message.get("body", b"") + self._link}
        return message

    def _head(self, message: Message) -> Awaitable[None]:
        # Any iterable, which may be there to be read once (ASGI HTTP, Response Start).
        headers = message.get("headers") or ()
        if type(headers) is not list:
            headers = list(headers)
        names = _by_name(headers)
        refused = self._decision.ai_refused
        if SHARING in names:
            refused = self._denies(headers) or refused
            headers = [(name, value) for name, value in headers if name.lower() != SHARING]
        if message["type"] == "http.response.start":
            announcements, refusal, injector = self._additions
            if refused and (response := refusal(self._request, self._decision)) is not None:
                self._refused = True
                return self._refuse(response)
            voice = announcements.of_page(self._request, refused)
            status = message["status"]
            if status == 404:
                announcements.missed(self._request, self._decision)
            if voice.curious and status == 200 and announcements.is_telling(voice, self._request, names):
                self._looks = announcements.look(self._request, names)
            headers = voice.added(headers, names)
            if injector is not None:
                headers = self._inject(injector, status, headers, names)
        # A copy, since an app may send the same message again.
        return self._send({**message, "headers": headers})

    def _inject(
        self, injector: Injector, status: int, headers: list[tuple[bytes, bytes]], names: Mapping[bytes, bytes]
    ) -> list[tuple[bytes, bytes]]:
        link = injector.link(self._request, self._decision, status, names)
        if not link:
            return headers
        head = self._scope["method"] == "HEAD"
        self._link = b"" if head else link
        return headers_of_injected(headers, len(link), head=head)

    async def _refuse(self, response: Response) -> None:
        await self._send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        body = b"" if self._scope["method"] == "HEAD" else response.body
        await self._send({"type": "http.response.body", "body": body})

    def _denies(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        said = [value.strip().lower() for name, value in headers if name.lower() == SHARING]
        if unknown := [value for value in said if value != _DENY]:
            self._additions.announcements.misunderstood(unknown[0])
        return _DENY in said

    async def _swallow(self, message: Message) -> None:
        """Nobody is there to read the rest of a page: an app that streams without end is told so (ASGI 2.4)."""
        version = str(self._scope.get("asgi", {}).get("spec_version", "2.0"))
        numbers = [int(number) for number in version.split(".") if number.isdecimal()]
        if message.get("more_body") and numbers >= [2, 4]:
            raise ClientGoneError("the page was refused in the name of its author")


def _by_name(headers: list[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Headers by their names, which ASGI wants in lower case, and which do not always come so."""
    names = dict(headers)
    return names if b"".join(names).islower() else {name.lower(): value for name, value in headers}


class ClientGoneError(OSError):
    """What an app that goes on sending a refused page is told."""


def stems_from_refusal(error: BaseException | None, depth: int = 16) -> bool:
    """Whether an app failed only since it was told that nobody reads its page any more."""
    if error is None or depth == 0:
        return False
    if isinstance(error, BaseExceptionGroup):
        return all(stems_from_refusal(one, depth - 1) for one in error.exceptions)
    return isinstance(error, ClientGoneError) or stems_from_refusal(error.__cause__ or error.__context__, depth - 1)
