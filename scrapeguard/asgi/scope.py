"""Reading a request out of an ASGI scope, refusing what two servers could read in two ways."""

from __future__ import annotations

from urllib.parse import quote

from scrapeguard.asgi.types import Scope
from scrapeguard.core.request import Request
from scrapeguard.errors import RequestError


def read_request(scope: Scope) -> Request:
    """The request of an `http` or `websocket` scope.

    Raises:
        RequestError: the target is not a path (RFC 9112 §3.2; `*` is one for OPTIONS), or there are several Host lines.
    """
    host: bytes | None = None
    user_agent: bytes | None = None
    headers = scope["headers"]
    for name, value in headers:
        if name == b"user-agent":
            user_agent = value if user_agent is None else b"%b %b" % (user_agent, value)
        elif name == b"host":
            if host is not None:
                raise RequestError("more than one Host field")
            host = value
    method = scope["method"] if scope["type"] == "http" else "GET"
    path = _raw_path(scope)
    if not path.startswith("/") and not (path == "*" and method == "OPTIONS"):
        raise RequestError("the request target is not a path")
    query: bytes = scope["query_string"]
    client = scope.get("client")
    fields = (
        method,
        path,
        query.decode("latin-1") if query else "",
        "" if host is None else host.decode("latin-1"),
        scope.get("scheme", "http"),
        headers,
        user_agent,
        client[0] if client else None,
        client is not None and client[1] == 0,
    )
    # Once for every request: past the constructor, which is written in Python, at a third of the cost.
    return tuple.__new__(Request, fields)


def _raw_path(scope: Scope) -> str:
    """The path as it came; servers need not give it (ASGI HTTP connection scope), then it is encoded again."""
    raw: bytes | None = scope.get("raw_path")
    if not raw:
        return encoded_path(scope["path"])
    return (raw.partition(b"?")[0] if b"?" in raw else raw).decode("latin-1")


def encoded_path(path: str) -> str:
    """A path as it would stand in a request target; escapes stay what they are."""
    return quote(path, safe="/%:@!$&'()*+,;=~-._")
