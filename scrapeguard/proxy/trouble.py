"""Telling of hosts without a site, and of upstreams that fail: when it begins and is over, in between a count."""

from __future__ import annotations

import logging

from scrapeguard.proxy.upstream import Upstream

logger = logging.getLogger("scrapeguard")

_MOST_HOSTS = 10
"""Hosts without a site that are told of: anybody can make up more."""


class Troubles:
    """What fails now, by upstream."""

    def __init__(self) -> None:
        self._failures: dict[Upstream, int] = {}
        self._misdirected: set[str] = set()

    def note(self, upstream: Upstream, error: Exception) -> None:
        """A request that the upstream did not answer."""
        failures = self._failures.get(upstream, 0)
        self._failures[upstream] = failures + 1
        if not failures:
            logger.error("upstream %s: %s; further failures are only counted", upstream, error)

    def note_misdirected(self, host: str) -> None:
        """A request for a host that has no upstream."""
        if host not in self._misdirected and len(self._misdirected) < _MOST_HOSTS:
            self._misdirected.add(host)
            logger.warning(
                "%s was asked for, and is answered with 421: name it under `sites` with an `upstream`, "
                "or give one for all with --upstream",
                ascii(host[:255]) if host else "no host",
            )

    def none(self, upstream: Upstream) -> None:
        """A request that it answered."""
        if self._failures and (failures := self._failures.pop(upstream, 0)):
            logger.warning("upstream %s answers again, after %d failed requests", upstream, failures)
