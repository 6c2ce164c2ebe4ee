"""Who asks for decisions, in which words, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from typing import NamedTuple

from scrapeguard.asgi.original import by_headers, by_headers_from_go, by_request_line
from scrapeguard.asgi.types import Scope
from scrapeguard.core.address import NETWORK_WORDS, Network
from scrapeguard.core.forwarded import ForwardedField, Proxies
from scrapeguard.core.policy import Policy
from scrapeguard.errors import ScrapeGuardError


class Dialect(NamedTuple):
    """How a server asks, and what it makes of an answer."""

    original: Callable[[Scope], Scope] = by_headers
    """The scope of the original request."""
    looks_at_verdict: bool = False
    """Whether the server tells a refusal by the verdict, whose status may be 2xx then; else what is 2xx passes."""
    yes_or_no: bool = False
    """Whether the server takes nothing but 2xx or 403, and asks `/render` what to answer."""


_ENVOY = "/decide/envoy"
DIALECTS: dict[str, Dialect] = {
    "/decide": Dialect(),
    "/decide/caddy": Dialect(looks_at_verdict=True),
    "/decide/haproxy": Dialect(looks_at_verdict=True),
    "/decide/nginx": Dialect(yes_or_no=True),
    "/decide/traefik": Dialect(by_headers_from_go),
}
"""By the path of the question."""
PREFIXED: dict[str, Dialect] = {_ENVOY: Dialect(partial(by_request_line, prefix=_ENVOY.encode()))}
"""By the path before the original target."""


class ForwardedFieldError(ScrapeGuardError):
    """A policy under which clients' addresses stand in a field that the servers do not write."""


def asked_by_proxies(policy: Policy, also: Iterable[Network] = ()) -> Policy:
    """The policy as a decision service needs it: where it trusts no proxies, those on this machine are trusted.

    Args:
        policy: as the owner wrote it.
        also: networks that are trusted besides.

    Raises:
        ForwardedFieldError: it reads `Forwarded`, which the servers pass on as any client sends it.
    """
    if policy.proxies.field is not ForwardedField.X_FORWARDED_FOR:
        raise ForwardedFieldError(
            "`proxies.header` must be x-forwarded-for for a decision service: that is where the servers that ask tell "
            "the client's address"
        )
    trusted = dict.fromkeys((*(policy.proxies.networks or NETWORK_WORDS["loopback"]), *also))
    twin = copy(policy)
    twin.proxies = Proxies(trusted)
    return twin


def dialect_of(path: str) -> Dialect | None:
    """In which dialect the path of a question is asked; None where it is none."""
    prefixed = (dialect for prefix, dialect in PREFIXED.items() if path.startswith(f"{prefix}/"))
    return DIALECTS.get(path) or next(prefixed, None)
