"""The request that a client sent to another server, told by that server when it asks for a decision.

Rules of this file:

- What is told is told once. A second line may be the client's own, so it is an error, not a choice.
- The query of a question is not read where headers tell the target: some servers append that of the client to it.
"""

from __future__ import annotations

from urllib.parse import unquote

from scrapeguard.asgi.types import Scope
from scrapeguard.errors import ScrapeGuardError

METHOD = b"x-forwarded-method"
URI = b"x-forwarded-uri"
HOST = b"x-forwarded-host"
_TELLING = frozenset({METHOD, URI, HOST})
VERDICT = b"x-scrapeguard-verdict"
"""The action that takes effect: `allow`, `observe`, or that of the refusal."""
TICKET = b"x-scrapeguard-ticket"
"""What `/render` is to know of a refusal."""
_OURS = frozenset({VERDICT, TICKET})
_NOT_THE_CLIENTS = _TELLING | _OURS | {b"host"}
_ADDED_BY_GO = (b"accept-encoding", b"gzip")


class QuestionError(ScrapeGuardError):
    """A question from which the original request cannot be told: the server that asks is set up wrongly."""


def by_headers(scope: Scope) -> Scope:
    """The scope of the original request, as X-Forwarded-Method, -Uri and -Host tell it.

    Raises:
        QuestionError: method or target are not told, or something is told twice.
    """
    said, headers = _told(scope)
    uri, method = said.get(URI), said.get(METHOD)
    if not uri or not method:
        missing = "X-Forwarded-Method" if uri else "X-Forwarded-Uri"
        raise QuestionError(f"the question has no {missing}: the server that asks must set it (docs/deploy.md)")
    if host := said.get(HOST):
        headers.append((b"host", host))
    return _original(scope, method.decode("latin-1"), uri, headers)


def by_headers_from_go(scope: Scope) -> Scope:
    """As `by_headers`, from a server whose HTTP client asks for gzip in the name of clients that do not.

    Go writes the fields of the client in the order of their names, and this one of its own after them all
    (net/http, Request.write), so that it is never the client's.
    """
    headers = scope["headers"]
    return by_headers({**scope, "headers": headers[:-1]} if headers[-1:] == [_ADDED_BY_GO] else scope)


def by_request_line(scope: Scope, *, prefix: bytes) -> Scope:
    """The scope of the original request, whose target stands in the request line after a prefix, beside its Host."""
    headers = [pair for pair in scope["headers"] if pair[0] not in _OURS]
    path = _raw_path(scope).removeprefix(prefix)
    query: bytes = scope["query_string"]
    return _original(scope, scope["method"], b"%b?%b" % (path, query) if query else path, headers)


def of_site(scope: Scope) -> Scope:
    """The scope of a question for a file of a site: the site is that of X-Forwarded-Host, else of Host."""
    hosts = [value for name, value in scope["headers"] if name == HOST]
    if len(hosts) != 1:
        return scope
    headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
    return {**scope, "headers": [*headers, (b"host", hosts[0])]}


def _told(scope: Scope) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """All headers of a question by name, and those of the client in their order, without Host."""
    headers = scope["headers"]
    said = dict(headers)
    if len(said) < len(headers):
        names = [name for name, _ in headers]
        if twice := next((name for name in _TELLING if names.count(name) > 1), None):
            field = twice.decode().title()
            raise QuestionError(f"{field} came twice: the server that asks must replace what clients send")
    return said, [pair for pair in headers if pair[0] not in _NOT_THE_CLIENTS]


def _raw_path(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]


def _original(scope: Scope, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> Scope:
    path, _, query = target.partition(b"?")
    text = path.decode("latin-1")
    handshake = any(name == b"sec-websocket-key" for name, _ in headers)
    return {
        **scope,
        # Servers that ask keep Upgrade to themselves; what is left of a handshake is its key.
        "scheme": "ws" if handshake else scope.get("scheme", "http"),
        "method": method,
        "path": unquote(text) if "%" in text else text,
        "raw_path": path,
        "query_string": query,
        "headers": headers,
    }
