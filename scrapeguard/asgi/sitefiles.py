"""The files that speak for the site: made of what the policy says and what the app says, and kept in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from hashlib import sha256
from typing import NamedTuple

from scrapeguard.asgi.ownfile import OwnFile, fetch
from scrapeguard.asgi.responders import Response, StoredFile, unavailable
from scrapeguard.asgi.types import ASGIApp, Receive, Scope
from scrapeguard.core.optout import Place, origin_of, response_headers, rsl_license, statements, tdm_reservation
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST, Headers, Request
from scrapeguard.core.robots import MAX_REFUSED_SIZE, groups, host_key
from scrapeguard.core.robotsfile import MAX_SIZE, parse
from scrapeguard.core.robotsmerge import merge
from scrapeguard.core.rsl import LICENSE_PATH, MEDIA_TYPE
from scrapeguard.core.sharing import NO_PATHS, RefusedPaths

ROBOTS_TXT = "/robots.txt"
FRESH = 300.0
"""Seconds for which a file is served from memory."""
RETRY = 30.0
"""Seconds until an app that failed is asked again, while its last good file is served."""
_HOSTS = 256
_LEAST_ROOM = 1024

_ORIGIN = "\x00origin\x00"
"""Stands for the address of the site in a file that is put together once for many hosts."""


class Subject(NamedTuple):
    """For whom and of what a file speaks."""

    policy: Policy
    host: str
    """The Host field."""
    scheme: str = "https"
    refused: RefusedPaths = NO_PATHS
    """The paths whose authors refuse AI."""
    closed: tuple[str, ...] = ()
    """Paths that are closed to every robot."""

    @property
    def origin(self) -> str:
        """Scheme and host; empty where the host is none."""
        return origin_of(self.scheme, self.host)

    @property
    def site(self) -> SitePolicy:
        """The policy of the host."""
        return self.policy.site(self.host)


Make = Callable[[Subject, str, OwnFile | None], bytes | OwnFile | None]
"""From what a file is to speak of, what to write for its origin, and what the app has, to the file.

The app's own where that is to stay; None where the site has nothing to say there.
"""


class _Entry(NamedTuple):
    """What is served to a host until then, what the app had for it, and whose refusals were heard for it."""

    until: float
    own: OwnFile
    refused: RefusedPaths
    file: StoredFile | None


class _Made(NamedTuple):
    """A file for many hosts, cut where the address of each stands in it."""

    refused: RefusedPaths
    parts: tuple[bytes, ...] | None
    media_type: bytes


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
        # Strangers choose the Host; what it does not change is kept and put together once.
        self._entries: Recent[tuple[Hashable, ...], _Entry] = Recent(_HOSTS)
        self._made: Recent[tuple[Hashable, ...], _Made] = Recent(_HOSTS)
        self._owned: Recent[bytes, OwnFile] = Recent(_HOSTS)
        self._asking: set[tuple[Hashable, ...]] = set()

    async def answer(
        self, subject: Subject, request: Request, now: float, app: ASGIApp, scope: Scope, receive: Receive
    ) -> Response | None:
        """The file for the host of a request, or 304; None where there is none and the app may answer."""
        key = (subject.site, subject.host if len(subject.host) <= MAX_HOST else "", subject.scheme)
        entry = self._entries[key]
        # Whoever comes while the app is asked anew gets the file that was.
        if entry is None or (now >= entry.until and key not in self._asking):
            self._asking.add(key)
            try:
                own = await fetch(app, scope, receive, self._path, limit=MAX_SIZE + 1)
            finally:
                self._asking.discard(key)
            if own.status >= 500 and entry is None and self._errors_pass:
                return unavailable(own.status, _announced(subject))
            if own.status >= 500 and entry is not None:
                entry = entry._replace(until=now + RETRY)
            else:
                own = self._interned(own)
                entry = _Entry(now + FRESH, own, subject.refused, self._stored(subject, own))
            self._entries.put(key, entry)
        if entry.refused is not subject.refused:
            # Somebody changed their mind; the app said all that it had to say.
            entry = entry._replace(refused=subject.refused, file=self._stored(subject, entry.own))
            self._entries.put(key, entry)
        return None if entry.file is None else entry.file.answer(request)

    def without_the_app(self, subject: Subject, request: Request) -> Response | None:
        """The file as it is where the app has none."""
        stored = self._stored(subject, None)
        return None if stored is None else stored.answer(request)

    def _interned(self, own: OwnFile) -> OwnFile:
        """The same answer as one object for all hosts that got it."""
        digest = sha256(b"%d %b %b" % (own.status, own.media_type.encode(), own.body)).digest()
        known = self._owned[digest]
        if known is None:
            known = own
            self._owned.put(digest, own)
        return known

    def _stored(self, subject: Subject, own: OwnFile | None) -> StoredFile | None:
        made = self._made_for(subject, own)
        if made.parts is None:
            return None
        fresh = FRESH if subject.refused else None
        return StoredFile(made.parts, subject.origin.encode(), made.media_type, _announced(subject), max_age=fresh)

    def _made_for(self, subject: Subject, own: OwnFile | None) -> _Made:
        site = subject.site
        origin = _ORIGIN if subject.origin else ""
        key = (site, host_key(site, subject.host), origin, own)
        made = self._made[key]
        if made is None or made.refused is not subject.refused:
            data = self._make(subject, origin, own)
            if isinstance(data, OwnFile):
                made = _Made(subject.refused, (data.body,), data.media_type.encode("latin-1") or self._media_type)
            else:
                parts = None if data is None else tuple(data.split(_ORIGIN.encode()))
                made = _Made(subject.refused, parts, self._media_type)
            self._made.put(key, made)
        return made


def _announced(subject: Subject) -> Headers:
    return response_headers(Place(subject.site, subject.origin))


def site_files() -> dict[str, SiteFile]:
    """The files by path, anew for each app."""
    return {
        ROBOTS_TXT: SiteFile(ROBOTS_TXT, b"text/plain; charset=utf-8", robots_txt, errors_pass=True),
        "/.well-known/tdmrep.json": SiteFile("/.well-known/tdmrep.json", b"application/json", tdm_file),
        LICENSE_PATH: SiteFile(LICENSE_PATH, MEDIA_TYPE.encode(), license_file),
    }


def robots_txt(subject: Subject, origin: str, own: OwnFile | None) -> bytes:
    """The robots.txt of a host; what is no robots.txt of the app's (an error, a page) counts as none.

    As many of the paths that authors refuse stand in it as leave room for all the rest within what crawlers read.
    """
    body = own.body if own is not None and own.is_good and not own.is_html else b""
    parsed, said = parse(body), statements(Place(subject.site, origin))
    room = MAX_REFUSED_SIZE
    while True:
        told = groups(subject.site, subject.policy.catalogue, subject.host, subject.refused, room, subject.closed)
        merged = merge(parsed, told, said).encode("utf-8", "surrogateescape")
        if len(merged) <= MAX_SIZE or not subject.refused or room == 0:
            return merged
        room = room // 4 if room > _LEAST_ROOM else 0


def tdm_file(subject: Subject, _: str, own: OwnFile | None) -> bytes | OwnFile | None:
    """The app's own reservation where it has one, else ours, if the site reserves anything."""
    return own if own is not None and own.is_good and _is_json_list(own.body) else tdm_reservation(subject.site)


def license_file(subject: Subject, _: str, own: OwnFile | None) -> bytes | OwnFile | None:
    """What the app has there, whatever it is; else our licence, if the site denies anything."""
    if own is None or not own.is_good or not own.body or own.is_html:
        return rsl_license(subject.site)
    # What was too large to be read whole is left to the app.
    return own if len(own.body) <= MAX_SIZE else None


def _is_json_list(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), list)
    except ValueError:
        return False
