"""How much of a client's address is written down."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from ipaddress import ip_network

from scrapeguard.core.address import parse_address
from scrapeguard.core.policy import Addresses

Form = Callable[[str], str | None]


def _full(_: bytes) -> Form:
    return str


def _truncated(_: bytes) -> Form:
    """The /24, of IPv6 the /48: a neighbourhood, and no household."""

    def shown(client: str) -> str | None:
        address = parse_address(client)
        if address is None:
            return None
        return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))

    return shown


def _hashed(secret: bytes) -> Form:
    """Sixteen digits that are the same for the same address, and tell nothing to those who lack the secret."""
    return lambda client: blake2b(client.encode(), key=secret, digest_size=8, person=b"address").hexdigest()


def _absent(_: bytes) -> Form:
    return lambda _: None


ADDRESS_FORMS: dict[Addresses, Callable[[bytes], Form]] = {
    Addresses.FULL: _full,
    Addresses.TRUNCATED: _truncated,
    Addresses.HASHED: _hashed,
    Addresses.ABSENT: _absent,
}
"""From a form and the secret of the site to a function that shows an address so."""
