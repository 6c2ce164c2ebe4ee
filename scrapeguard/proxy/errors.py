"""How an upstream fails to answer."""

from __future__ import annotations

from scrapeguard.errors import ScrapeGuardError


class UpstreamError(ScrapeGuardError):
    """An upstream that gave no answer; `status` is what the client gets (RFC 9110 §15.6)."""

    status = 502


class UpstreamTimeoutError(UpstreamError):
    """Nothing came from the upstream in time."""

    status = 504


class UpstreamBusyError(UpstreamError):
    """As many connections are open as there may be."""

    status = 503
