"""What a client did before: whether it reads like a person who opens pages, or like a machine that takes them.

Only those who name a browser are looked at, since only of them it is known what reading looks like. What is missing
counts only where it could be there: styles only on sites that are known to have some. A client is an address, in IPv6
its /64; what was long ago is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from scrapeguard.core.address import parse_address
from scrapeguard.core.pages import is_asset
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST, Request
from scrapeguard.core.signals import Evidence

MAX_CLIENTS = 20_000
"""Clients in mind, in each of two generations (see `Recent`); each takes some 400 octets, 16 MB in all."""
WINDOW = 3600.0
"""Seconds over which pages are counted."""
IDLE = 1800.0
"""Seconds after which a client that did nothing is a new one."""

_PAGES_WITHOUT_STYLES = 3
_TIME_FOR_STYLES = 3.0
_PAGES_AT_ONCE = 20
_PAGES_TYPED = 5
_PAGES_A_MINUTE = 60
_DISTINCT_PAGES = 100
_MARKS_OF_DISTINCT_PAGES = 83
# Each page marks one of 256 places: a hundred different ones mark 256 (1 - e^(-100/256)) of them, in 60 octets instead
# of 8,000 (linear counting, Whang et al. 1990).
_MAX_SITES = 1024
_MAX_LOOKS = 20

_STYLES = (".css", ".js", ".mjs")
_STYLE_TYPES = (b"text/css", b"text/javascript", b"application/javascript")
_RETURNING = frozenset({b"cookie", b"if-none-match", b"if-modified-since"})

_NO_STYLES = Evidence("no-styles", "three pages or more, and no style or script of the site with them")
_ALWAYS_TYPED = Evidence("always-typed", "five pages or more in a row, each as if its address had been typed")
_FAST = Evidence("many-pages-a-minute", "sixty pages or more within a minute")
_BROAD = Evidence("many-pages-an-hour", "a hundred different pages or more within an hour")

# A style or script by an address on the same site: not `//cdn.example/x.css`, nor one with a scheme.
_LOCAL_PART = re.compile(
    rb"<(?:link\b(?=[^>]{0,500}stylesheet)[^>]{0,500}?\bhref|script\b[^>]{0,500}?\bsrc)"
    rb"\s{0,5}=\s{0,5}[\"']?(?!//|[a-z][a-z0-9+.-]{0,10}:|data:)[a-z0-9./?_%-]",
    re.IGNORECASE,
)


class _Client:
    """What one client did within the window."""

    __slots__ = ("begun", "last", "minute", "pages", "pages_this_minute", "returning", "seen", "styles", "typed")

    def __init__(self, now: float, *, returning: bool) -> None:
        self.begun = self.last = self.minute = now
        self.pages = self.pages_this_minute = self.typed = 0
        self.styles = False
        self.returning = returning
        self.seen = 0


class History:
    """Remembers what clients do, and says what is odd about it.

    Args:
        size: how many clients are kept in mind, in each of two generations.
    """

    def __init__(self, *, size: int = MAX_CLIENTS) -> None:
        self._clients: Recent[str, _Client] = Recent(size)
        self._with_styles: Recent[str, bool] = Recent(_MAX_SITES)
        self._looks: Recent[str, int] = Recent(_MAX_SITES)

    def note(self, request: Request, sent: Mapping[bytes, bytes], client: str, now: float) -> tuple[Evidence, ...]:
        """Remember a request of somebody who names a browser, and say what is odd about the client so far.

        Args:
            request: what was asked for.
            sent: its headers by name.
            client: the address.
            now: seconds that never go back.
        """
        key = client if ":" not in client else client_key(client)
        known = self._clients.get(key)
        if known is None or now - known.last > IDLE or now - known.begun > WINDOW:
            known = _Client(now, returning=not _RETURNING.isdisjoint(sent))
            self._clients.put(key, known)
        known.last = now
        mode = sent.get(b"sec-fetch-mode")
        if "." in request.path and is_asset(request.path):
            known.styles = known.styles or request.path.endswith(_STYLES)
        elif request.method == "GET" and (mode is None or mode == b"navigate"):
            known.pages += 1
            known.typed = known.typed + 1 if sent.get(b"sec-fetch-site") == b"none" else 0
            known.seen |= 1 << (hash((request.path, request.query)) & 255)
            if now - known.minute >= 60.0:
                known.minute, known.pages_this_minute = now, 0
            known.pages_this_minute += 1
        return () if known.pages < _PAGES_WITHOUT_STYLES else self._odd(known, request.host, now)

    def _odd(self, client: _Client, host: str, now: float) -> tuple[Evidence, ...]:
        found = []
        # Who restores a session opens many pages before the first style is asked for; who has been here before may
        # have the styles in its cache.
        had_time = now - client.begun >= _TIME_FOR_STYLES or client.pages > _PAGES_AT_ONCE
        if had_time and not (client.styles or client.returning) and self._with_styles.get(host):
            found.append(_NO_STYLES)
        if client.typed >= _PAGES_TYPED:
            found.append(_ALWAYS_TYPED)
        if client.styles:
            # An office behind one address, or somebody who reads a lot. Their proxy may take headers out of what they
            # send; many pages are nothing that speaks against them.
            return tuple(found)
        if client.pages_this_minute >= _PAGES_A_MINUTE:
            found.append(_FAST)
        if client.pages >= _DISTINCT_PAGES and client.seen.bit_count() >= _MARKS_OF_DISTINCT_PAGES:
            found.append(_BROAD)
        return tuple(found)

    def is_curious(self, host: str) -> bool:
        """Whether it is not known yet if the site of this host has styles; after the first few pages it is left so."""
        if self._with_styles.get(host) is not None or len(host) > MAX_HOST:
            return False
        return (self._looks.get(host) or 0) < _MAX_LOOKS

    @staticmethod
    def can_tell(media_type: bytes) -> bool:
        """Whether an answer of this kind tells whether the site has styles."""
        return media_type.startswith((b"text/html", *_STYLE_TYPES))

    def saw(self, host: str, media_type: bytes, body: bytes) -> None:
        """Look at the beginning of what the site answered: a style, or a page that asks for one."""
        self._looks.put(host, (self._looks.get(host) or 0) + 1)
        if media_type.startswith(_STYLE_TYPES) or _LOCAL_PART.search(body, 0, 65_536):
            self._with_styles.put(host, True)


def client_key(client: str) -> str:
    """What stands for a client: its address, of IPv6 the /64, within which people and their machines move."""
    if ":" not in client:
        return client
    address = parse_address(client)
    if address is None or address.version == 4:
        return str(address or client)
    return f"{int(address) >> 64:x}::/64"
