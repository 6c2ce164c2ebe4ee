"""What the proxy says of the client: X-Forwarded-*, Forwarded (RFC 7239) and Via (RFC 9110 §7.6.3).

Rules of this file:

- What a trusted proxy said is kept and added to. What anybody else said of a client is not passed on: the upstream
  trusts us, and would believe it.
- Where the server already put the client's address in place of the peer's, the chain is not known: it is replaced.
"""

from __future__ import annotations

from typing import NamedTuple

from scrapeguard.core.address import parse_address
from scrapeguard.core.forwarded import ForwardedField, Proxies
from scrapeguard.errors import RequestError
from scrapeguard.proxy.fields import RequestHead
from scrapeguard.proxy.types import Fields, Scope

PSEUDONYM = b"scrapeguard"
MOST_ROUNDS = 8
"""A request that came through so many of us runs in a circle."""

_MOST_PEERS = 1024
_WRITTEN = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"via"})


class LoopError(RequestError):
    """An upstream that leads back to this proxy (RFC 5842 §7.2)."""

    status = 508


class Hop(NamedTuple):
    """This hop: the peer's address (None on a Unix socket), whether its word is taken, and how it came."""

    peer: str | None
    trusted: bool
    scheme: bytes
    version: str


class Trust(dict[str, bool]):
    """Whether the word of a peer is taken, by its address. Remembers a thousand.

    Args:
        proxies: whose word is.
    """

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def __missing__(self, peer: str) -> bool:
        trusted = bool(self._proxies.networks) and self._proxies.trusts(parse_address(peer))
        if len(self) < _MOST_PEERS:
            self[peer] = trusted
        return trusted


def this_hop(scope: Scope, trust: Trust) -> Hop:
    """The hop from the peer of a scope to us."""
    client = scope.get("client")
    peer = client[0] if client else None
    # A server that resolves addresses itself leaves port 0 behind: that is no socket, and nobody's word is taken.
    trusted = trust[client[0]] if client and client[1] else False
    scheme = b"https" if scope.get("scheme") in ("https", "wss") else b"http"
    return Hop(peer, trusted, scheme, scope.get("http_version", "1.1"))


def forwarding_fields(head: RequestHead, hop: Hop, field: ForwardedField) -> Fields:
    """The fields to add to a request.

    Args:
        head: as it came.
        hop: between the client, or its proxy, and us.
        field: the one that the owner's proxies write: where it is Forwarded, we write that too.

    Raises:
        LoopError: the request came through us too often.
    """
    told = head.told if hop.trusted else {}
    fields = [(name, value) for name, value in told.items() if name not in _WRITTEN]
    if chain := _chain(told.get(b"x-forwarded-for"), b"" if hop.peer is None else hop.peer.encode()):
        fields.append((b"x-forwarded-for", chain))
    fields.append((b"x-forwarded-proto", told.get(b"x-forwarded-proto") or hop.scheme))
    if host := told.get(b"x-forwarded-host") or head.host:
        fields.append((b"x-forwarded-host", host))
    if field is ForwardedField.FORWARDED or b"forwarded" in told:
        fields.append((b"forwarded", _chain(told.get(b"forwarded"), _element(hop, head.host))))
    fields.append((b"via", _via(head.told.get(b"via"), hop)))
    return fields


def _chain(before: bytes | None, last: bytes) -> bytes:
    return b"%b, %b" % (before, last) if before and last else before or last


def _element(hop: Hop, host: bytes | None) -> bytes:
    """This hop as an element of Forwarded (RFC 7239 §4)."""
    address = parse_address(hop.peer)
    node = "unknown" if address is None else f'"[{address}]"' if address.version == 6 else str(address)
    element = b"for=%b;proto=%b" % (node.encode(), hop.scheme)
    return b'%b;host="%b"' % (element, host) if host else element


def _via(before: bytes | None, hop: Hop) -> bytes:
    if before is not None and before.count(PSEUDONYM) >= MOST_ROUNDS:
        raise LoopError("the upstream leads back to this proxy")
    return _chain(before, b"%b %b" % (hop.version.encode(), PSEUDONYM))
