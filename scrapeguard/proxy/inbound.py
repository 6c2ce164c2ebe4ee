"""What an ASGI scope asks of an upstream: target, fields and whose site it is."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from scrapeguard.core.forwarded import Proxies
from scrapeguard.errors import RequestError
from scrapeguard.proxy.fields import Names, RequestHead, read_head
from scrapeguard.proxy.forwarding import Trust, forwarding_fields, this_hop
from scrapeguard.proxy.types import Fields, Scope
from scrapeguard.proxy.upstream import Upstream, Upstreams

# Neither space nor control, and no `#`: a target has no fragment (RFC 9112 §3.2), and who finds one may cut there.
_TARGET = re.compile(rb"/[!\"$-~\x80-\xff]*")
_VERSIONS = frozenset({"1.0", "1.1", "2", "3"})
_METHOD = re.compile(r"[A-Z][A-Z0-9_-]*")
_NEVER_RELAYED = frozenset({"CONNECT", "PRI"})
"""What opens a tunnel, and what begins HTTP/2, and is no request (RFC 9113 §3.4)."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose meaning lies in a body, of which an upstream wants to know when there is none (RFC 9110 §8.6)."""


class MisdirectedError(RequestError):
    """A host that is no site of ours (RFC 9110 §15.5.20)."""

    status = 421

    def __init__(self, host: str) -> None:
        super().__init__(f"{host!r} is no site here")
        self.host = host


class Inbound(NamedTuple):
    """A request that may be relayed; `fields` are all but Host and those that frame the body."""

    upstream: Upstream
    method: str
    target: bytes
    host: bytes
    head: RequestHead
    fields: Fields

    @property
    def has_body(self) -> bool:
        """Whether the client sends a body."""
        return self.head.chunked or bool(self.head.length)

    def octets(self) -> bytes:
        """The head of the request to the upstream as it goes over the wire (RFC 9112 §3, §5)."""
        head = self.head
        lines = [self.method.encode(), b" ", self.target, b" HTTP/1.1\r\nhost: ", self.host, b"\r\n"]
        for name, value in self.fields:
            lines += (name, b": ", value, b"\r\n")
        if head.chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        elif head.length is not None:
            lines.append(b"content-length: %d\r\n" % head.length)
        elif self.method in _WITH_BODY:
            lines.append(b"content-length: 0\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)


class Reader:
    """Reads scopes.

    Args:
        upstreams: whose site a host is.
        proxies: whose word about a client is taken.
    """

    def __init__(self, upstreams: Upstreams, proxies: Proxies) -> None:
        self._upstreams = upstreams
        self._trust = Trust(proxies)
        self._field = proxies.field
        self._names = Names()

    def read(self, scope: Scope) -> Inbound:
        """What is asked.

        Raises:
            RequestError: it could be read in two ways, is for no site of ours, or runs in a circle.
        """
        method = scope.get("method", "GET")
        if not _METHOD.fullmatch(method) or method in _NEVER_RELAYED:
            raise RequestError("the method is none that is relayed")
        target = _target(scope, method)
        hop = this_hop(scope, self._trust)
        if hop.version not in _VERSIONS:
            raise RequestError("a version of HTTP that nobody speaks")
        head = read_head(scope["headers"], self._names, hop.version)
        host = "" if head.host is None else head.host.decode("ascii")
        upstream = self._upstreams.of(host)
        if upstream is None:
            raise MisdirectedError(host)
        fields = head.fields
        fields += forwarding_fields(head, hop, self._field)
        return Inbound(upstream, method, target, head.host or upstream.authority.encode(), head, fields)


def _target(scope: Scope, method: str) -> bytes:
    """The request target as it came: path, and query after a question mark.

    ASGI does not tell `/page?` from `/page`.
    """
    raw: bytes = scope.get("raw_path") or quote(scope["path"], safe="/%:@!$&'()*+,;=~-._").encode()
    if b"?" in raw:
        raw = raw.partition(b"?")[0]
    query: bytes = scope["query_string"]
    target = b"%b?%b" % (raw, query) if query else raw
    if not _TARGET.fullmatch(target) and not (target == b"*" and method == "OPTIONS"):
        raise RequestError("the request target is not a path")
    return target
