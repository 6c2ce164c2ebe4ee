"""Whom the owner trusts: these are not scored, whatever they do."""

from __future__ import annotations

from dataclasses import dataclass, field

from scrapeguard.core.address import Network, NetworkMap, parse_address
from scrapeguard.core.glob import Glob, word_pattern
from scrapeguard.core.request import Request


@dataclass(frozen=True, slots=True)
class Trust:
    """A client is trusted that has one of these.

    `cookies` are names, such as that of the cookie of a session. `headers` are pairs of a name and a value (any case,
    `*` for any run of characters).
    """

    cookies: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    networks: tuple[Network, ...] = ()
    _globs: tuple[tuple[str, Glob], ...] = field(init=False, compare=False, repr=False)
    _map: NetworkMap[None] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_globs", tuple((name, word_pattern(value.lower())) for name, value in self.headers))
        object.__setattr__(self, "_map", NetworkMap((network, None) for network in self.networks))

    def covers(self, request: Request, client: str | None) -> bool:
        """Whether the owner trusts whoever sent this request.

        Args:
            request: what was asked for.
            client: the address it came from.
        """
        if self.networks and self._map.lookup(parse_address(client)):
            return True
        if any(glob.matches(value.lower()) for name, glob in self._globs for value in request.header(name)):
            return True
        return bool(self.cookies) and not _cookie_names(request).isdisjoint(self.cookies)


def _cookie_names(request: Request) -> set[str]:
    pairs = (pair for line in request.header("cookie") for pair in line.split(";"))
    return {pair.partition("=")[0].strip() for pair in pairs}
