"""The files that speak for the site: made of what the policy says and what the app says, and kept in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import NamedTuple

from scrapeguard.asgi.ownfile import OwnFile, fetch
from scrapeguard.asgi.responders import Response, StoredFile, unavailable
from scrapeguard.asgi.types import ASGIApp, Receive, Scope
from scrapeguard.core.optout import announcement
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request, canonical_host
from scrapeguard.core.robots import groups, host_key
from scrapeguard.core.robotsfile import MAX_SIZE, parse
from scrapeguard.core.robotsmerge import merge

FRESH = 300.0
"""Seconds for which a file is served from memory."""
RETRY = 30.0
"""Seconds until an app that failed is asked again, while its last good file is served."""
_HOSTS = 256

Make = Callable[[Policy, str, OwnFile | None], bytes | None]
"""From the policy, the host and what the app has, the file; None where the site has nothing to say there."""


class _Entry(NamedTuple):
    until: float
    file: StoredFile | None


class _Made(NamedTuple):
    file: StoredFile | None


class SiteFile:
    """One file of each host.

    Args:
        path: where it stands.
        media_type: what it is.
        make: puts it together.
        errors_pass: whether an app that fails for it, and never had a good one, is to be seen to fail.
    """

    def __init__(self, path: str, media_type: bytes, make: Make, *, errors_pass: bool = False) -> None:
        self._path = path
        self._media_type = media_type
        self._make = make
        self._errors_pass = errors_pass
        self._entries: Recent[tuple[SitePolicy, str], _Entry] = Recent(_HOSTS)
        # Strangers choose the Host; what it does not change is put together once.
        self._made: Recent[tuple[SitePolicy, tuple[bool, ...], bytes], _Made] = Recent(_HOSTS)
        self._asking: set[tuple[SitePolicy, str]] = set()

    async def answer(
        self, policy: Policy, request: Request, now: float, app: ASGIApp, scope: Scope, receive: Receive
    ) -> Response | None:
        """The file for the host of a request, or 304; None where there is none and the app may answer."""
        key = (policy.site(request.host), canonical_host(request.host))
        entry = self._entries.get(key)
        # Whoever comes while the app is asked anew gets the file that was.
        if entry is None or (now >= entry.until and key not in self._asking):
            self._asking.add(key)
            try:
                own = await fetch(app, scope, receive, self._path, limit=MAX_SIZE + 1)
            finally:
                self._asking.discard(key)
            if own.status >= 500 and entry is None and self._errors_pass:
                return unavailable(own.status)
            if own.status >= 500 and entry is not None:
                entry = _Entry(now + RETRY, entry.file)
            else:
                entry = _Entry(now + FRESH, self._stored(policy, request.host, own))
            self._entries.put(key, entry)
        return None if entry.file is None else entry.file.answer(request)

    def without_the_app(self, policy: Policy, request: Request) -> Response | None:
        """The file as it is where the app has none."""
        stored = self._stored(policy, request.host, None)
        return None if stored is None else stored.answer(request)

    def _stored(self, policy: Policy, host: str, own: OwnFile | None) -> StoredFile | None:
        site = policy.site(host)
        body = own.body if own is not None and own.is_good else b""
        key = (site, host_key(site, host), hashlib.sha256(body).digest())
        made = self._made.get(key)
        if made is None:
            data = self._make(policy, host, own)
            headers = announcement(site).headers
            made = _Made(None if data is None else StoredFile(data, self._media_type, headers))
            self._made.put(key, made)
        return made.file


def site_files() -> dict[str, SiteFile]:
    """The files by path, anew for each app."""
    return {
        "/robots.txt": SiteFile("/robots.txt", b"text/plain; charset=utf-8", robots_txt, errors_pass=True),
        "/.well-known/tdmrep.json": SiteFile("/.well-known/tdmrep.json", b"application/json", tdm_reservation),
    }


def robots_txt(policy: Policy, host: str, own: OwnFile | None) -> bytes:
    """The robots.txt of a host; what is no robots.txt of the app's (an error, a page) counts as none."""
    site = policy.site(host)
    body = own.body if own is not None and own.is_good and not own.is_html else b""
    told = groups(site, policy.catalogue, host)
    return merge(parse(body), told, announcement(site).statements).encode("utf-8", "surrogateescape")


def tdm_reservation(policy: Policy, host: str, own: OwnFile | None) -> bytes | None:
    """The app's own reservation where it has one, else ours, if the site reserves anything."""
    if own is not None and own.is_good and _is_json_list(own.body):
        return own.body
    return announcement(policy.site(host)).tdm_reservation


def _is_json_list(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), list)
    except ValueError:
        return False
