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
from scrapeguard.core.request import Headers, Request
from scrapeguard.core.robots import groups, host_key
from scrapeguard.core.robotsfile import MAX_SIZE, parse
from scrapeguard.core.robotsmerge import merge
from scrapeguard.core.rsl import LICENSE_PATH, MEDIA_TYPE
from scrapeguard.core.sharing import NO_PATHS, RefusedPaths

FRESH = 300.0
"""Seconds for which a file is served from memory."""
RETRY = 30.0
"""Seconds until an app that failed is asked again, while its last good file is served."""
_HOSTS = 256

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

    @property
    def origin(self) -> str:
        """Scheme and host; empty where the host is none."""
        return origin_of(self.scheme, self.host)

    @property
    def site(self) -> SitePolicy:
        """The policy of the host."""
        return self.policy.site(self.host)


Make = Callable[[Subject, str, OwnFile | None], bytes | None]
"""From what a file is to speak of, what to write for its origin, and what the app has, to the file.

None where the site has nothing to say there.
"""


class _Entry(NamedTuple):
    until: float
    file: StoredFile | None


class _Made(NamedTuple):
    data: bytes | None


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
        self._entries: Recent[tuple[Hashable, ...], _Entry] = Recent(_HOSTS)
        # Strangers choose the Host; what it does not change is put together once.
        self._made: Recent[tuple[Hashable, ...], _Made] = Recent(_HOSTS)
        self._asking: set[tuple[Hashable, ...]] = set()

    async def answer(
        self, subject: Subject, request: Request, now: float, app: ASGIApp, scope: Scope, receive: Receive
    ) -> Response | None:
        """The file for the host of a request, or 304; None where there is none and the app may answer."""
        key = (subject.site, subject.host, subject.scheme, subject.refused)
        entry = self._entries.get(key)
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
                entry = _Entry(now + RETRY, entry.file)
            else:
                entry = _Entry(now + FRESH, self._stored(subject, own))
            self._entries.put(key, entry)
        return None if entry.file is None else entry.file.answer(request)

    def without_the_app(self, subject: Subject, request: Request) -> Response | None:
        """The file as it is where the app has none."""
        stored = self._stored(subject, None)
        return None if stored is None else stored.answer(request)

    def _stored(self, subject: Subject, own: OwnFile | None) -> StoredFile | None:
        data = self._data(subject, own)
        if data is None:
            return None
        data = data.replace(_ORIGIN.encode(), subject.origin.encode())
        return StoredFile(data, self._media_type, _announced(subject))

    def _data(self, subject: Subject, own: OwnFile | None) -> bytes | None:
        site = subject.site
        body = own.body if own is not None and own.is_good else b""
        origin = _ORIGIN if subject.origin else ""
        key = (site, host_key(site, subject.host), origin, subject.refused, sha256(body).digest())
        made = self._made.get(key)
        if made is None:
            made = _Made(self._make(subject, origin, own))
            self._made.put(key, made)
        return made.data


def _announced(subject: Subject) -> Headers:
    return response_headers(Place(subject.site, subject.origin))


def site_files() -> dict[str, SiteFile]:
    """The files by path, anew for each app."""
    return {
        "/robots.txt": SiteFile("/robots.txt", b"text/plain; charset=utf-8", robots_txt, errors_pass=True),
        "/.well-known/tdmrep.json": SiteFile("/.well-known/tdmrep.json", b"application/json", tdm_file),
        LICENSE_PATH: SiteFile(LICENSE_PATH, MEDIA_TYPE.encode(), license_file),
    }


def robots_txt(subject: Subject, origin: str, own: OwnFile | None) -> bytes:
    """The robots.txt of a host; what is no robots.txt of the app's (an error, a page) counts as none."""
    body = own.body if own is not None and own.is_good and not own.is_html else b""
    told = groups(subject.site, subject.policy.catalogue, subject.host, subject.refused)
    said = statements(Place(subject.site, origin))
    return merge(parse(body), told, said).encode("utf-8", "surrogateescape")


def tdm_file(subject: Subject, _: str, own: OwnFile | None) -> bytes | None:
    """The app's own reservation where it has one, else ours, if the site reserves anything."""
    if own is not None and own.is_good and _is_json_list(own.body):
        return own.body
    return tdm_reservation(subject.site)


def license_file(subject: Subject, _: str, own: OwnFile | None) -> bytes | None:
    """The app's own licence where it has one, else ours, if the site denies anything."""
    if own is not None and own.is_good and _is_rsl(own.body):
        return own.body
    return rsl_license(subject.site)


def _is_json_list(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), list)
    except ValueError:
        return False


def _is_rsl(body: bytes) -> bool:
    """Whether this is a licence; looked at from outside, since an XML parser may be made to burst."""
    return b"<rsl" in body[:4096] and b"</rsl>" in body[-4096:]
