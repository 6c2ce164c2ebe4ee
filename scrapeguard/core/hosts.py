"""Under which name a site is remembered: strangers choose the Host, and most apps answer to any."""

from __future__ import annotations

from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST, canonical_host

_MAX_HOSTS = 1024
_FIRST = 16
_LEAST = 20


class Hosts:
    """Knows the hosts that are in use.

    Case and port make no other site of one. A host that hardly anybody asks for is none of its own, so that nobody
    stays unseen by a new name for each request: all of these count as one.
    """

    def __init__(self) -> None:
        self._names: Recent[str, str] = Recent(_MAX_HOSTS)
        self._asked: Recent[str, int] = Recent(_MAX_HOSTS)

    def name_of(self, host: str) -> str:
        """The name in a Host field, which is that of a site or of none."""
        name = self._names[host]
        if name is None:
            name = canonical_host(host)
            if len(host) <= MAX_HOST:
                self._names.put(host, name)
        return name

    def is_in_use(self, name: str) -> bool:
        """Whether a host is asked for by more than hardly anybody."""
        return (self._asked[name] or 0) >= _LEAST

    def site_of(self, name: str) -> str:
        """Under what a page of a host counts beside those of others; empty where the host is hardly asked for."""
        asked = self._asked[name] or 0
        if asked < _LEAST:
            # The first that are asked for at all are those of the owner.
            asked = _LEAST if len(self._asked) < _FIRST else asked + 1
            self._asked.put(name, asked)
        return name if asked >= _LEAST else ""
