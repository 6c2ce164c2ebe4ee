"""Client addresses, and finding which of very many networks hold one."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Generic, TypeVar

V = TypeVar("V")
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NETWORK_WORDS: dict[str, tuple[Network, ...]] = {
    "loopback": (ip_network("127.0.0.0/8"), ip_network("::1/128")),
    "private": (
        ip_network("10.0.0.0/8"),
        ip_network("172.16.0.0/12"),
        ip_network("192.168.0.0/16"),
        ip_network("100.64.0.0/10"),
        ip_network("169.254.0.0/16"),
        ip_network("fc00::/7"),
        ip_network("fe80::/10"),
    ),
}
"""Words that stand for networks: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291."""


_NAT64 = int(IPv6Address("64:ff9b::")) >> 32
"""The prefix behind which IPv6 networks show IPv4 clients (RFC 6052 §2.1)."""


def parse_address(text: str | None) -> Address | None:
    """The address in a text, None where there is none; a zone is dropped; IPv4 inside IPv6 becomes IPv4."""
    if not text:
        return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if int(address) >> 32 == _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class NetworkMap(Generic[V]):
    """Values by network: one binary search finds those of every network that holds an address.

    Networks nest or are apart, so they cut the line of addresses into intervals; a lookup costs the same for ten
    networks and, but for a few steps of the search, for a million.
    """

    def __init__(self, entries: Iterable[tuple[Network, V]]) -> None:
        by_version: dict[int, list[tuple[int, int, V]]] = {4: [], 6: []}
        for network, value in entries:
            span = (int(network.network_address), int(network.broadcast_address), value)
            by_version[network.version].append(span)
        self._tables = {version: _intervals(spans) for version, spans in by_version.items()}
        self._sections = _sections(self._tables[4][0])

    def __bool__(self) -> bool:
        return any(starts for starts, _ in self._tables.values())

    def lookup(self, address: Address | None) -> tuple[V, ...]:
        """The values of all networks that hold the address, the widest first."""
        return () if address is None else self.lookup_number(address.version, int(address))

    def lookup_number(self, version: int, number: int) -> tuple[V, ...]:
        """The same for an address of IP version 4 or 6 as a number."""
        starts, values = self._tables[version]
        if self._sections and version == 4:
            section = number >> _SECTION_BITS
            position = bisect_right(starts, number, self._sections[section], self._sections[section + 1]) - 1
        else:
            position = bisect_right(starts, number) - 1
        return values[position] if position >= 0 else ()


_SECTION_BITS = 16
_MANY = 1024


def _sections(starts: list[int]) -> array[int]:
    """Where each /16 of IPv4 begins among many starts: a search then stays within a few neighbours in memory."""
    if len(starts) < _MANY:
        return array("L")
    edges = range(0, (1 << 32) + 1, 1 << _SECTION_BITS)
    return array("L", (bisect_left(starts, edge) for edge in edges))


def _intervals(spans: list[tuple[int, int, V]]) -> tuple[list[int], list[tuple[V, ...]]]:
    starts: list[int] = []
    values: list[tuple[V, ...]] = []
    open_spans: list[tuple[int, tuple[V, ...]]] = []

    def begin(start: int, held: tuple[V, ...]) -> None:
        if starts and starts[-1] == start:
            values[-1] = held
        else:
            starts.append(start)
            values.append(held)

    def close_before(limit: int) -> None:
        while open_spans and open_spans[-1][0] < limit:
            last, _ = open_spans.pop()
            begin(last + 1, open_spans[-1][1] if open_spans else ())

    for first, last, value in sorted(spans, key=lambda span: (span[0], -span[1])):
        close_before(first)
        held = (*(open_spans[-1][1] if open_spans else ()), value)
        open_spans.append((last, held))
        begin(first, held)
    close_before(1 << 129)
    return starts, values
