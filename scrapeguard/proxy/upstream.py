"""Upstreams: which site behind the proxy is whose host."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scrapeguard.core.request import of_host
from scrapeguard.core.upstream import Upstream, UpstreamNameError

__all__ = ["Upstream", "UpstreamNameError", "Upstreams"]

_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


class Upstreams:
    """The upstream of each host.

    Args:
        default: of all hosts that are not named; None to refuse them.
        by_host: by host name; `*.example.org` stands for every name below. The longest pattern wins.

    Raises:
        UpstreamNameError: there is none at all, or a pattern can match no host.
    """

    def __init__(self, default: Upstream | None = None, by_host: Mapping[str, Upstream] | None = None) -> None:
        self.default = default
        self.by_host = {pattern.lower().rstrip("."): upstream for pattern, upstream in (by_host or {}).items()}
        if default is None and not self.by_host:
            raise UpstreamNameError("there is no upstream")
        for pattern in self.by_host:
            if not _NAME.fullmatch(pattern):
                raise UpstreamNameError(f"{pattern}: write a host as blog.example.org or *.example.org, without a port")

    def of(self, host: str) -> Upstream | None:
        """The upstream for a Host field, None where there is none; its cost does not grow with their number."""
        if not self.by_host:
            return self.default
        return of_host(self.by_host, host) or self.default
