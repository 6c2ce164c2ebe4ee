"""Noticing that all clients seem to be one: the sign of a proxy whose word is not taken."""

from __future__ import annotations

from scrapeguard.core.address import NETWORK_WORDS, NetworkMap, parse_address

_NEAR = NetworkMap((network, None) for networks in NETWORK_WORDS.values() for network in networks)


class AddressWatch:
    """Looks at the clients of the first requests; `done` as soon as two differ, or when it has said its word."""

    def __init__(self, requests: int = 1000) -> None:
        self._left = requests
        self._first: str | None = None

    @property
    def done(self) -> bool:
        """Whether there is nothing left to look at."""
        return self._left == 0

    def warning(self, client: str | None) -> str | None:
        """What to tell the operator after this request; None where there is nothing to say."""
        self._first = self._first or client
        if client is None or client != self._first:
            self._left = 0
            return None
        self._left -= 1
        if self._left or not _NEAR.lookup(parse_address(client)):
            return None
        return (
            f"every client so far has the address {client}; if that is a proxy of yours, name it under "
            "`proxies.trusted` in the rule file, or let the server resolve addresses (uvicorn --forwarded-allow-ips)"
        )
