"""The address of the client, told by proxies: the walk from the socket back along trusted hops.

Rules of this file:

- Nobody is trusted by default. What an unknown peer says of others is not read.
- The walk goes from the right, where the nearest proxy wrote, to the left, where anyone may have. It ends at the
  first address that is not trusted, or before the first element that is none; it never steps over anything.
- One field is read, as the owner says: X-Forwarded-For or Forwarded (RFC 7239), never both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from scrapeguard.core.address import Address, Network, NetworkMap, parse_address
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request

_MAX_HOPS = 64
_MAX_PEERS = 1024
_TOLD_BY_NETWORKS = frozenset({b"cf-connecting-ip", b"true-client-ip", b"fastly-client-ip"})
_TOLD_BY_PROXIES = _TOLD_BY_NETWORKS | {b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip"}
_MAX_LENGTH = 8192


class ForwardedField(StrEnum):
    """The field in which proxies tell the client's address."""

    X_FORWARDED_FOR = "x-forwarded-for"
    FORWARDED = "forwarded"


# Members of an enum are found anew by each look (Python 3.11), at the cost of a call.
_X_FORWARDED_FOR = ForwardedField.X_FORWARDED_FOR
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_DOTTED = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
"""An IPv4 address as it is written down again."""


class Role(StrEnum):
    """What an address on the way turned out to be, in words for people."""

    PEER = "the socket's other end"
    RESOLVED = "put in place by the server"
    TRUSTED = "a trusted proxy"
    CLIENT = "the client"
    UNREADABLE = "no address: the walk ends before it"


class Hop(NamedTuple):
    """One step of the walk: what stood there, the address it was read as, and what that meant."""

    text: str
    address: Address | None
    role: Role


class Walk(NamedTuple):
    """Where the walk ended and how it went, from the socket on. `client` is None where there is no address at all."""

    client: str | None
    hops: tuple[Hop, ...]


class _Peer(NamedTuple):
    """The other end of sockets: few ends of very many, where a proxy stands in front."""

    address: Address | None
    text: str | None
    trusted: bool


class Proxies:
    """The proxies that an owner trusts, and the field they write."""

    def __init__(self, trusted: Iterable[Network] = (), field: ForwardedField = ForwardedField.X_FORWARDED_FOR) -> None:
        self.networks = tuple(trusted)
        self.field = field
        self._map: NetworkMap[None] = NetworkMap((network, None) for network in self.networks)
        self._name = str(field).encode()
        self._peers: Recent[str | None, _Peer] = Recent(_MAX_PEERS)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def trusts(self, address: Address | None) -> bool:
        """Whether the address is one of the trusted proxies'."""
        return bool(self._map.lookup(address))

    def trusts_peer(self, peer: str | None) -> bool:
        """Whether the other end of a socket is a trusted proxy."""
        return self._peer(peer).trusted

    def _peer(self, text: str | None) -> _Peer:
        known = self._peers[text]
        if known is None:
            address = parse_address(text)
            known = _Peer(address, str(address) if address is not None else text, self.trusts(address))
            self._peers.put(text, known)
        return known

    def client(self, request: Request) -> str | None:
        """The client's address: the peer's own where it is not trusted."""
        if not self.networks:
            return request.peer
        _, client, trusted = self._peer(request.peer)
        if request.resolved or not trusted:
            return client
        return self._nearest(request) or self.walk(request).client

    def _nearest(self, request: Request) -> str | None:
        """The address that the nearest proxy wrote, if it is a plain one and no proxy's, as it nearly always is.

        The walk would come to the same end, having written down each step.
        """
        if self.field is not _X_FORWARDED_FOR:
            return None
        text = request.sent.get(self._name, b"").rpartition(b",")[2].strip().decode("latin-1")
        if _DOTTED.fullmatch(text) is None:
            return None
        first, second, third, fourth = map(int, text.split("."))
        number = first << 24 | second << 16 | third << 8 | fourth
        return None if self._map.lookup_number(4, number) else text

    def walk(self, request: Request) -> Walk:
        """The walk from the peer of a request, for a decision and for its explanation."""
        address, client, trusted = self._peer(request.peer)
        if request.resolved:
            # To walk on from an address that the server took from the same field would go past the client.
            return Walk(client, (Hop(request.peer or "", address, Role.RESOLVED),))
        hops = [Hop(request.peer or "", address, Role.PEER)]
        if not trusted:
            return Walk(client, tuple(hops))
        lines = b",".join(value for name, value in request.headers if name == self._name)
        for text in self._elements(lines.decode("latin-1")):
            address = parse_element(text, self.field)
            if address is None:
                hops.append(Hop(text, None, Role.UNREADABLE))
                break
            client = str(address)
            trusted = self.trusts(address)
            hops.append(Hop(text, address, Role.TRUSTED if trusted else Role.CLIENT))
            if not trusted:
                break
        return Walk(client, tuple(hops))

    def knows_all_hops(self, request: Request) -> bool:
        """Whether nothing in a request tells of proxies that are not trusted: then the client's address is its own."""
        told = {name for name, _ in request.headers} & _TOLD_BY_PROXIES
        if not self.networks or not self.trusts_peer(request.peer):
            return not told
        lines = b",".join(value for name, value in request.headers if name == self._name)
        elements = list(self._elements(lines.decode("latin-1")))
        return len(self.walk(request).hops) > len(elements) and not told & _TOLD_BY_NETWORKS

    def scheme(self, request: Request) -> str:
        """`http` or `https`, as the client used it: by the word of the nearest proxy, if that is trusted.

        X-Forwarded-Proto, or the `proto` of the last element of Forwarded (RFC 7239 §5.4).
        """
        if not self.networks or not self.trusts_peer(request.peer):
            return request.scheme
        if self.field is _X_FORWARDED_FOR:
            # The last element of the last line.
            said = request.sent.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().decode("latin-1")
        else:
            nearest = next(self._elements(",".join(request.header("forwarded"))), "")
            said = (_parameter(nearest, "proto") or "").strip('"')
        proto = said.lower()
        return proto if proto in ("http", "https") else request.scheme

    def _elements(self, field: str) -> Iterator[str]:
        """The elements of the field, the last one first."""
        if not field:
            return
        tail = field[-_MAX_LENGTH:]
        split = _split_unquoted(tail, ",")[0] if self.field is ForwardedField.FORWARDED else tail.split(",")
        yield from (element.strip() for element in reversed(split[-_MAX_HOPS:]))


def _split_unquoted(text: str, separator: str) -> tuple[list[str], bool]:
    """The parts between separators outside quotes (RFC 7239 §4), and whether a quote is left open."""
    parts, start, quoted, escaped = [], 0, False, False
    for position, mark in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and mark == "\\":
            escaped = True
        elif mark == '"':
            quoted = not quoted
        elif mark == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]], quoted


def parse_element(text: str, field: ForwardedField) -> Address | None:
    """The address that an element names, or None."""
    if field is ForwardedField.X_FORWARDED_FOR:
        return _node_address(text.strip(), strict=False)
    node = _parameter(text, "for")
    return None if node is None else _forwarded_node(node)


def _parameter(element: str, wanted: str) -> str | None:
    """The value of a parameter in an element of Forwarded, as it stands there; None where it is absent."""
    pairs, left_open = _split_unquoted(element, ";")
    if left_open:
        # A client that opens a quote has all that the proxies append to its line stand inside: nothing here is theirs.
        return None
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name.strip().lower() == wanted:
            return value.strip()
    return None


_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _forwarded_node(value: str) -> Address | None:
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        return _node_address(re.sub(r"\\(.)", r"\1", quoted.group(1)), strict=True)
    # Brackets and colons are no token characters: unquoted, only IPv4 without a port is well formed (RFC 7239 §6).
    return None if ":" in value or "[" in value else _node_address(value, strict=True)


def _node_address(text: str, *, strict: bool) -> Address | None:
    """An address with or without port and brackets; `strict` asks for the brackets around IPv6."""
    if text.startswith("["):
        inside, bracket, port = text[1:].partition("]")
        return parse_address(inside) if bracket and _is_port(port) else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return parse_address(host) if _is_port(":" + port) else None
    return None if strict and ":" in text else parse_address(text)


def _is_port(text: str) -> bool:
    """Nothing, or a colon and a port; RFC 7239 allows an obfuscated one."""
    return not text or re.fullmatch(r":(?:[0-9]{1,5}|_[A-Za-z0-9._-]+)", text) is not None
