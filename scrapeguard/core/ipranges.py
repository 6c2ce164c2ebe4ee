"""Reading the address lists that operators publish, and telling a sound one from a broken or hostile one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any, NamedTuple

from scrapeguard.core.address import Network

MAX_SIZE = 8 * 1024 * 1024
"""Octets of a list that are read."""
MAX_ENTRIES = 100_000

_LEAST_PREFIX = {4: 8, 6: 19}
_NETWORK_KEYS = ("ipv4Prefix", "ipv6Prefix", "ip_prefix", "ipv6_prefix")
_LIST_KEYS = ("prefixes", "ip_prefixes", "ipv6_prefixes")
_FEW = 3
TOO_WIDE = "wider than /8 (IPv4) or /19 (IPv6)"


class Ranges(NamedTuple):
    """The networks of a list, each once, and the entries that were left out with the reason for it."""

    networks: tuple[Network, ...]
    rejected: tuple[tuple[str, str], ...] = ()


def read_ranges(data: bytes, *, public: bool = True) -> Ranges:
    """The networks of a list.

    JSON as Google, OpenAI, AWS and others shape it, or text with a network or address at the start of each line, as in
    RFC 8805 geofeeds.

    Args:
        data: the list as it was published.
        public: whether networks that nobody can have on the Internet are left out.

    Raises:
        ValueError: it is too large, or no list at all.
    """
    if len(data) > MAX_SIZE:
        raise ValueError(f"larger than {MAX_SIZE:,} octets")
    text = data.decode("utf-8-sig")
    if text.lstrip().startswith("<"):
        raise ValueError("it is a page")
    entries = _json_entries(json.loads(text)) if text.lstrip().startswith(("{", "[")) else _lines(text)
    networks: dict[Network, None] = {}
    rejected = []
    for count, entry in enumerate(entries):
        if count >= MAX_ENTRIES:
            raise ValueError(f"more than {MAX_ENTRIES:,} entries")
        network, fault = _network(entry, public=public)
        if network is None:
            rejected.append((entry[:60], fault))
        else:
            networks[network] = None
    return Ranges(tuple(networks), tuple(rejected))


def update_fault(new: Ranges, before: int) -> str | None:
    """Why a list must not take the place of one with so many networks; None where it may."""
    if not new.networks:
        return "it holds no network"
    if wide := next((entry for entry, fault in new.rejected if fault == TOO_WIDE), None):
        return f"it holds {wide}, {TOO_WIDE}"
    if len(new.rejected) > max(_FEW, len(new.networks)):
        return f"{len(new.rejected)} of its entries are no networks"
    if len(new.networks) * 2 < before:
        return f"it shrank from {before} networks to {len(new.networks)}"
    return None


def _network(entry: str, *, public: bool) -> tuple[Network | None, str]:
    try:
        network = ip_network(entry)
    except ValueError as error:
        return None, "host bits set" if "host bits" in str(error) else "not a network"
    if network.prefixlen < _LEAST_PREFIX[network.version]:
        return None, TOO_WIDE
    if public and not network.is_global:
        return None, "not globally routable"
    return (None, "not globally routable") if network.is_private and network.prefixlen <= 8 else (network, "")


def _json_entries(document: Any) -> Iterator[str]:
    lists = [document] if isinstance(document, list) else [document.get(key, ()) for key in _LIST_KEYS]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, str):
                yield entry
            elif isinstance(entry, dict):
                yield from (str(entry[key]) for key in _NETWORK_KEYS if key in entry)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if entry := line.partition("#")[0].partition(",")[0].strip():
            yield entry
