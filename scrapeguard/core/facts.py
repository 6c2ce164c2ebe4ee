"""What is known about one request when it is decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from scrapeguard.core.address import Address, parse_address
from scrapeguard.core.identity import Identity
from scrapeguard.core.rates import NO_RATES
from scrapeguard.core.request import Request, canonical_host, canonical_target, plain_target
from scrapeguard.core.signals import Evidence
from scrapeguard.core.useragent import Claim


class Facts(NamedTuple):
    """The request, who it says it is from, how sure that is, and the evidence gathered."""

    request: Request
    claim: Claim
    identity: Identity = Identity.NONE
    client: str | None = None
    """The client's address, None where there is none (a Unix socket, say)."""
    evidence: tuple[Evidence, ...] = ()
    rates: Mapping[float, float] = NO_RATES
    """How many requests of the client came within the last so many seconds, for the windows that rules speak of."""


def identity_of(claim: Claim) -> Identity:
    """How sure it is who the client is, as long as nothing but its own word is known."""
    return Identity.NONE if claim.name is None else Identity.CLAIMED


class View:
    """Facts and score as conditions ask for them; derived forms are worked out when first asked for."""

    __slots__ = ("_address", "_host", "_target", "_unfolded", "facts", "score")

    def __init__(self, facts: Facts, score: int) -> None:
        self.facts = facts
        self.score = score
        self._target: str | None = None
        self._host: str | None = None
        self._address: Address | None = None
        self._unfolded: View | None = None

    @property
    def target(self) -> str:
        """Canonical path and query."""
        if self._target is None:
            self._target = canonical_target(self.facts.request.path, self.facts.request.query)
        return self._target

    @property
    def unfolded(self) -> View | None:
        """The same with the path as an app may see it, where dot segments or doubled slashes were folded; else None."""
        request = self.facts.request
        plain = plain_target(request.path, request.query)
        if plain == self.target:
            return None
        if self._unfolded is None:
            self._unfolded = View(self.facts, self.score)
            self._unfolded._target = plain
        return self._unfolded

    @property
    def targets(self) -> tuple[str, ...]:
        """The path as an app may see it, which folds doubled slashes and dot segments, or does not."""
        unfolded = self.unfolded
        return (self.target,) if unfolded is None else (self.target, unfolded.target)

    @property
    def host(self) -> str:
        """Canonical host name."""
        if self._host is None:
            self._host = canonical_host(self.facts.request.host)
        return self._host

    @property
    def address(self) -> Address | None:
        """The client's address, parsed."""
        if self._address is None:
            self._address = parse_address(self.facts.client)
        return self._address
