"""Reading a request out of an ASGI scope, refusing what two servers could read in two ways."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from scrapeguard.asgi.types import Scope
from scrapeguard.core.request import Request
from scrapeguard.errors import RequestError

_NO_CLIENT = (None, None)


def read_request(scope: Scope) -> Request:
    """The request of an `http` or `websocket` scope.

    Raises:
        RequestError: the target is not a path (RFC 9112 §3.2; `*` is one for OPTIONS), or there are several Host lines.
    """
    headers = scope["headers"]
    # A dict is the fastest way to the few that matter; hardly anybody sends one of them twice.
    sent: dict[bytes, bytes] = dict(headers)
    host = sent.get(b"host")
    user_agent = sent.get(b"user-agent")
    if len(sent) < len(headers):
        user_agent = _whole_user_agent(headers)
    method = scope["method"] if scope["type"] == "http" else "GET"
    raw: bytes | None = scope.get("raw_path")
    # Servers need not give the path as it came (ASGI HTTP connection scope); then it is encoded again.
    path = raw.decode("latin-1") if raw else encoded_path(scope["path"])
    if "?" in path:
        path = path.partition("?")[0]
    if path[:1] != "/" and not (path == "*" and method == "OPTIONS"):
        raise RequestError("the request target is not a path")
    query: bytes = scope["query_string"]
    client = scope.get("client")
    address, port = client or _NO_CLIENT
    fields = (
        method,
        path,
        query.decode("latin-1") if query else "",
        host.decode("latin-1") if host else "",
        scope.get("scheme", "http"),
        headers,
        user_agent,
        address,
        port == 0,
        sent,
        scope.get("http_version", ""),
    )
    # Once for every request: past the constructor, which is written in Python, at a third of the cost.
    return tuple.__new__(Request, fields)


def _whole_user_agent(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """All lines of the User-Agent, where some header came twice; two Host fields are no request."""
    if sum(name == b"host" for name, _ in headers) > 1:
        raise RequestError("more than one Host field")
    agents = [value for name, value in headers if name == b"user-agent"]
    return b" ".join(agents) if agents else None


def encoded_path(path: str) -> str:
    """A path as it would stand in a request target; escapes stay what they are."""
    return quote(path, safe="/%:@!$&'()*+,;=~-._")
