"""Who a client is, as far as its operator lets others check it."""

from __future__ import annotations

from collections.abc import Callable

from scrapeguard.core.address import Address, parse_address
from scrapeguard.core.catalogue import Agent
from scrapeguard.core.identity import Identity
from scrapeguard.core.useragent import Claim
from scrapeguard.verification.lists import PublishedLists
from scrapeguard.verification.reversedns import ReverseDns

LIST, DNS = "list", "dns"
"""The methods: the addresses that an operator publishes, and forward-confirmed reverse DNS."""
_UNSETTLED = (Identity.CLAIMED, "")


class AddressVerifier:
    """Holds a claimed agent against the addresses that its operator publishes, and against reverse DNS.

    Nobody waits for it: what is not known yet is asked for beside the requests, and the claim stands until then.

    Args:
        lists: the published lists; replaced when they are refreshed.
        dns: reverse DNS, None to do without.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        lists: PublishedLists,
        *,
        dns: ReverseDns | None,
        clock: Callable[[], float],
    ) -> None:
        self.lists = lists
        self._dns = dns
        self._clock = clock

    def identity(self, claim: Claim, client: str | None) -> Identity:
        """How sure it is that a client is the agent it names.

        `spoofed` only where its operator lets others check it and the answer was no. A list that is missing or stale, a
        name server that does not answer, a private address (a proxy's, that nobody told us of) and a name that others
        use too leave the claim what it is.
        """
        return self._settle(claim, client)[0]

    def method(self, claim: Claim, client: str | None) -> str:
        """By what it is settled whether a client is the agent it names: `list`, `dns`; empty where it is not."""
        return self._settle(claim, client)[1]

    def _settle(self, claim: Claim, client: str | None) -> tuple[Identity, str]:
        agent = next((agent for agent in claim.agents if agent.verify.ranges or agent.verify.dns), None)
        address = parse_address(client) if agent is not None else None
        if agent is None or address is None:
            return (Identity.NONE if claim.name is None else Identity.CLAIMED), ""
        listed = self.lists.holds(agent.verify.ranges, address, self._clock())
        if listed:
            return Identity.VERIFIED, LIST
        identity, method = self._by_dns(agent, listed, address)
        if identity is Identity.SPOOFED and (not address.is_global or _names_several(claim)):
            return _UNSETTLED
        return identity, method

    def _by_dns(self, agent: Agent, listed: bool | None, address: Address) -> tuple[Identity, str]:
        if not agent.verify.dns:
            return (Identity.SPOOFED, LIST) if listed is False else _UNSETTLED
        # Where an operator offers both, its lists lag behind its names: only these say no.
        if self._dns is None:
            return _UNSETTLED
        answered, confirmed = self._dns.known(address, agent.verify.dns)
        if not answered or confirmed is None:
            return _UNSETTLED
        return (Identity.VERIFIED if confirmed else Identity.SPOOFED), DNS


def _names_several(claim: Claim) -> bool:
    """Whether agents of several operators are named, as phones do that fetch a preview themselves."""
    return len({agent.operator for agent in claim.agents}) > 1
