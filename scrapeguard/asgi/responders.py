"""What is answered instead of the page: one responder for each action that refuses, and the robots.txt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from scrapeguard.asgi.negotiation import Form, preferred_form
from scrapeguard.asgi.refusal import (
    NEVER_SHARED,
    REFERENCE,
    WAY_OUT,
    Notice,
    RefusalPages,
    content_headers,
    with_way_out,
)
from scrapeguard.core.decision import STATUS, Action, Decision
from scrapeguard.core.engine import TRAPS
from scrapeguard.core.request import Headers, Request


class Response(NamedTuple):
    """A whole answer, its content-length among the headers where it has one."""

    status: int
    headers: Iterable[tuple[bytes, bytes]]
    body: bytes


def _status(action: Action) -> int:
    """The status of a refusal; there is one for decoys too, where none can be served."""
    return STATUS[Action.BLOCK] if action in FALSE else STATUS[action]


class WayOut(NamedTuple):
    """How a person gets past a refusal, as HTML: what makes a browser do it by itself, and a button."""

    by_itself: str = ""
    button: str = ""


NO_WAY_OUT = WayOut()

Responder = Callable[[Decision, Request, RefusalPages, bytes, Headers, WayOut], Response]
"""From decision, request, the words of the site, reference, what is announced and the way out to the answer."""


def refuse(
    decision: Decision, request: Request, pages: RefusalPages, reference: bytes, announced: Headers, way: WayOut
) -> Response:
    """403, in the form the client asked for."""
    form = preferred_form(first_value(request, b"accept"))
    if decision.rule == TRAPS and form is Form.HTML:
        return _with_way_out(_status(decision.action), *pages.notice(Notice.TRAP, reference, announced), way)
    headers, body = pages.answer(form, reference, announced)
    if way is not NO_WAY_OUT and form is Form.HTML:
        return _with_way_out(_status(decision.action), headers, body, way)
    # Once for every refusal: past the constructor, which is written in Python, at a third of the cost.
    return tuple.__new__(Response, (_status(decision.action), headers, body))


def challenge(
    decision: Decision, request: Request, pages: RefusalPages, reference: bytes, announced: Headers, way: WayOut
) -> Response:
    """403 with a page that a browser gets past by itself; to those who ask for no page, the refusal."""
    if preferred_form(first_value(request, b"accept")) is not Form.HTML:
        return refuse(decision, request, pages, reference, announced, way)
    headers, body = pages.notice(Notice.CHALLENGE, reference, announced)
    return _with_way_out(_status(decision.action), headers, body, way)


def throttle(
    decision: Decision, request: Request, pages: RefusalPages, reference: bytes, announced: Headers, way: WayOut
) -> Response:
    """429, and when to come again (RFC 6585 §4)."""
    after = (b"retry-after", b"%d" % pages.retry_after(decision.rule))
    answer = _plain(_status(decision.action), "Too many requests; please come again later.\n", announced)
    return answer._replace(headers=(*answer.headers, after, (REFERENCE, reference)))


FALSE = frozenset({Action.DECOY, Action.TARPIT})
"""Actions that are answered with a decoy, and refused where there is none."""
RESPONDERS: dict[Action, Responder] = {
    Action.THROTTLE: throttle,
    Action.CHALLENGE: challenge,
    Action.BLOCK: refuse,
    Action.DECOY: refuse,
    Action.TARPIT: refuse,
}


def _with_way_out(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, way: WayOut) -> Response:
    body = with_way_out(body, (way.by_itself + way.button).encode())
    changed = (b"content-length", b"content-security-policy")
    kept = [(name, value) for name, value in headers if name not in changed]
    return Response(status, [*kept, (b"content-length", b"%d" % len(body)), *WAY_OUT], body)


def bad_request(message: str, announced: Headers) -> Response:
    """400, for what is refused before any rule is asked."""
    return _plain(400, f"Bad request: {message}\n", announced)


def failure(announced: Headers) -> Response:
    """403, for requests on which the guard itself failed, where the owner would rather lose them."""
    return _plain(STATUS[Action.BLOCK], "Refused\n", announced)


def unavailable(status: int, announced: Headers) -> Response:
    """The error that the app answered for its robots.txt: crawlers then keep away (RFC 9309 §2.3.1.4)."""
    return _plain(status, "robots.txt is unavailable\n", announced)


def _plain(status: int, text: str, announced: Headers) -> Response:
    body = text.encode()
    headers = (*content_headers(b"text/plain; charset=utf-8", body), *NEVER_SHARED, *announced)
    return Response(status, headers, body)


class StoredFile:
    """A file that everybody may read, put together once, with its validator (RFC 9110 §8.8.3).

    Args:
        parts: the file, cut wherever the address of the site stands in it; hosts share them.
        origin: that address.
        media_type: what it is.
        announced: headers that the site sends with every response.
        max_age: seconds for which others may keep it; None for an hour.
    """

    def __init__(
        self,
        parts: tuple[bytes, ...],
        origin: bytes,
        media_type: bytes,
        announced: Headers = (),
        *,
        max_age: float | None = None,
    ) -> None:
        self._parts = parts
        self._origin = origin
        body = origin.join(parts)
        self._etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
        age = b"max-age=%d" % (3600 if max_age is None else max_age)
        shared = ((b"cache-control", age), (b"etag", self._etag), *announced)
        self._headers = (*content_headers(media_type, body), *shared)
        self._unchanged = Response(304, shared, b"")

    def answer(self, request: Request) -> Response:
        """200 with the file, or 304 where the client has it already (RFC 9110 §13.1.2)."""
        if has_already(request, self._etag):
            return self._unchanged
        body = self._parts[0] if len(self._parts) == 1 else self._origin.join(self._parts)
        return tuple.__new__(Response, (200, self._headers, body))


def has_already(request: Request, etag: bytes) -> bool:
    """Whether a client has what this tag validates, by its If-None-Match (RFC 9110 §13.1.2)."""
    known = first_value(request, b"if-none-match")
    return known is not None and (known.strip() == b"*" or etag in _tags(known))


def first_value(request: Request, name: bytes) -> bytes | None:
    """The first line of a header, or None."""
    for key, value in request.headers:
        if key == name:
            return value
    return None


def _tags(field: bytes) -> list[bytes]:
    return [tag.strip().removeprefix(b"W/") for tag in field[:4096].split(b",")]
