"""Who a client is, as far as its operator lets others check it."""

from __future__ import annotations

from collections.abc import Callable

from scrapeguard.core.address import Address, parse_address
from scrapeguard.core.catalogue import Agent
from scrapeguard.core.identity import Identity
from scrapeguard.core.useragent import Claim
from scrapeguard.verification.lists import PublishedLists
from scrapeguard.verification.reversedns import ReverseDns


class AddressVerifier:
    """Holds a claimed agent against the addresses that its operator publishes, and against reverse DNS.

    Nobody waits for it: what is not known yet is asked for beside the requests, and the claim stands until then.

    Args:
        lists: the published lists; replaced when they are refreshed.
        dns: reverse DNS, None to do without.
        clock: seconds since the epoch.
        private_is_known: whether a private address is a client's own, which it is where the owner has named the
            proxies. Else it may be that of a proxy that nobody told us of, and proves nobody a liar.
    """

    def __init__(
        self,
        lists: PublishedLists,
        *,
        dns: ReverseDns | None,
        clock: Callable[[], float],
        private_is_known: bool = False,
    ) -> None:
        self.lists = lists
        self._dns = dns
        self._clock = clock
        self._private_is_known = private_is_known

    def identity(self, claim: Claim, client: str | None) -> Identity:
        """How sure it is that a client is the agent it names.

        `spoofed` only where its operator lets others check it and the answer was no; a list that is missing or stale
        and a name server that does not answer leave the claim what it is.
        """
        agent = next((agent for agent in claim.agents if agent.verify.ranges or agent.verify.dns), None)
        address = parse_address(client) if agent is not None else None
        if agent is None or address is None:
            return Identity.NONE if claim.name is None else Identity.CLAIMED
        listed = self.lists.holds(agent.verify.ranges, address, self._clock())
        if listed:
            return Identity.VERIFIED
        identity = self._by_dns(agent, listed, address)
        if identity is Identity.SPOOFED and not (address.is_global or self._private_is_known):
            return Identity.CLAIMED
        return identity

    def _by_dns(self, agent: Agent, listed: bool | None, address: Address) -> Identity:
        refuted = Identity.SPOOFED if listed is False else Identity.CLAIMED
        if self._dns is None or not agent.verify.dns:
            return refuted
        answered, confirmed = self._dns.known(address, agent.verify.dns)
        if not answered:
            return Identity.CLAIMED
        if confirmed is None:
            return refuted
        return Identity.VERIFIED if confirmed else Identity.SPOOFED
