"""Where clients come from: loopback addresses that any program can bind to, shown to the guard as public ones.

The guard must not see loopback: what is private proves nothing about a client, and all would be one network. 127.a.b.c
becomes X.a.b.c, where X depends on `a` alone; so two loopback addresses share a /24, /16 or /8 as their public ones do.
"""

from __future__ import annotations

HOME = "127.0.0.1"
"""Where those come from that cannot bind to another address."""

_ENGINES = {249: 66, 77: 40}
"""Of 66.249.64.0/19 is Googlebot, of 40.77.167.0/24 bingbot, by the lists that Google and Microsoft publish."""
_FIRST_OCTETS = (81, 93, 109, 151, 176, 188, 201, 212)

GOOGLE = "127.249.66.3"
MICROSOFT = "127.77.167.3"


def public(address: str) -> str:
    """The address that the guard sees in place of a loopback address."""
    _, second, third, fourth = map(int, address.split("."))
    first = _ENGINES.get(second) or _FIRST_OCTETS[second % len(_FIRST_OCTETS)]
    return f"{first}.{second}.{third}.{fourth}"


def spread(count: int, *, per_network: int) -> list[str]:
    """So many loopback addresses, of which so many are in each /24; each /24 is of another /16 while there are any."""
    free = [number for number in range(1, 250) if number not in _ENGINES]
    addresses = []
    for number in range(count):
        network, host = divmod(number, per_network)
        addresses.append(f"127.{free[network % len(free)]}.{network // len(free) + 7}.{20 + host * 9 % 200}")
    return addresses
