"""Telling of upstreams that fail: at once when it begins and when it is over, in between a count."""

from __future__ import annotations

import logging

from scrapeguard.proxy.upstream import Upstream

logger = logging.getLogger("scrapeguard")


class Troubles:
    """What fails now, by upstream."""

    def __init__(self) -> None:
        self._failures: dict[Upstream, int] = {}

    def note(self, upstream: Upstream, error: Exception) -> None:
        """A request that the upstream did not answer."""
        failures = self._failures.get(upstream, 0)
        self._failures[upstream] = failures + 1
        if not failures:
            logger.error("upstream %s: %s; further failures are only counted", upstream, error)

    def none(self, upstream: Upstream) -> None:
        """A request that it answered."""
        if self._failures and (failures := self._failures.pop(upstream, 0)):
            logger.warning("upstream %s answers again, after %d failed requests", upstream, failures)
