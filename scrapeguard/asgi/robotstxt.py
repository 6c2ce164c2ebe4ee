"""/robots.txt: what the policy says, merged with what the app says, kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scrapeguard.asgi.ownfile import OwnFile, fetch
from scrapeguard.asgi.responders import Response, RobotsFile, unavailable
from scrapeguard.asgi.types import ASGIApp, Receive, Scope
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request, canonical_host
from scrapeguard.core.robots import groups
from scrapeguard.core.robotsfile import MAX_SIZE, parse
from scrapeguard.core.robotsmerge import merge

FRESH = 300.0
"""Seconds for which a merged file is served from memory."""
RETRY = 30.0
"""Seconds until an app that failed is asked again, while its last good file is served."""
_HOSTS = 256


class _Entry(NamedTuple):
    until: float
    file: RobotsFile


class RobotsTxt:
    """The robots.txt of each host.

    Args:
        app: is asked for its own file.
        clock: seconds, never going back.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], float]) -> None:
        self._app = app
        self._clock = clock
        self._entries: Recent[tuple[SitePolicy, str], _Entry] = Recent(_HOSTS)
        self._asking: set[tuple[SitePolicy, str]] = set()

    async def answer(self, policy: Policy, request: Request, scope: Scope, receive: Receive) -> Response:
        """The file for the host of a request, or 304; the app's own error where there never was a good file."""
        key = (policy.site(request.host), canonical_host(request.host))
        entry = self._entries.get(key)
        now = self._clock()
        # Whoever comes while the app is asked anew gets the file that was.
        if entry is None or (now >= entry.until and key not in self._asking):
            self._asking.add(key)
            try:
                own = await fetch(self._app, scope, receive, "/robots.txt", limit=MAX_SIZE + 1)
            finally:
                self._asking.discard(key)
            if own.status >= 500:
                if entry is None:
                    return unavailable(own.status)
                entry = _Entry(now + RETRY, entry.file)
            else:
                entry = _Entry(now + FRESH, RobotsFile(merged(policy, request.host, own)))
            self._entries.put(key, entry)
        return entry.file.answer(request)


def merged(policy: Policy, host: str, own: OwnFile | None = None) -> bytes:
    """The robots.txt of a host; what is no robots.txt of the app's (an error, a page) counts as none."""
    usable = own is not None and 200 <= own.status < 300 and not own.is_html
    text = merge(
        parse(own.body if own is not None and usable else b""), groups(policy.site(host), policy.catalogue, host)
    )
    return text.encode("utf-8", "surrogateescape")
