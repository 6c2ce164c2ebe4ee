"""The DNS as the machine is set up to ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from scrapeguard.core.address import Address


class SystemDns:
    """Asks the name servers of the machine, by dnspython, which is imported with the first question.

    Args:
        servers: the addresses of others to ask in their place.
        port: where those listen.
    """

    def __init__(self, servers: Sequence[str] = (), port: int = 53) -> None:
        self._servers = list(servers)
        self._port = port
        self._resolver: Any = None
        self._resolvers: ModuleType | None = None

    async def names(self, address: Address) -> list[str]:
        """The names of an address (PTR).

        Raises:
            OSError: no name server answers.
        """
        return await self._ask(address.reverse_pointer + ".", "PTR")

    async def addresses(self, name: str) -> list[str]:
        """The addresses of a name (A and AAAA).

        Raises:
            OSError: no name server answers.
        """
        asked = (self._ask(name + ".", "A"), self._ask(name + ".", "AAAA"))
        found = await asyncio.gather(*asked, return_exceptions=True)
        addresses = [address for answer in found if isinstance(answer, list) for address in answer]
        failure = next((answer for answer in found if isinstance(answer, BaseException)), None)
        # One kind that is answered may tell all there is to know.
        if failure is not None and not addresses:
            raise failure
        return addresses

    async def _ask(self, name: str, kind: str) -> list[str]:
        if self._resolvers is None:
            self._resolvers = await asyncio.to_thread(import_module, "dns.asyncresolver")
        dns = import_module("dns.resolver")
        try:
            if self._resolver is None:
                self._resolver = self._resolvers.Resolver(configure=not self._servers)
                if self._servers:
                    self._resolver.nameservers, self._resolver.port = self._servers, self._port
            answer = await self._resolver.resolve(name, kind)
        except (dns.NXDOMAIN, dns.NoAnswer):
            return []
        except import_module("dns.exception").DNSException as error:
            raise OSError(f"DNS: {error}") from None
        return [record.to_text() for record in answer]
