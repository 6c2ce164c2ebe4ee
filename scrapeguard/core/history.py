"""What a client did before: whether it reads like a person who opens pages, or like a machine that takes them.

Only those who name a browser are looked at, since only of them it is known what reading looks like. What is missing
counts only where it could be there: styles only on sites that answer with some themselves. A client is an address, in
IPv6 its /64, and what it calls itself; what was long ago is forgotten. All signs together do not reach the refusal: it
takes something else besides.
"""

from __future__ import annotations

from collections.abc import Mapping

from scrapeguard.core.address import parse_address
from scrapeguard.core.pages import is_asset
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST, Request
from scrapeguard.core.signals import Evidence

MAX_CLIENTS = 20_000
"""Clients in mind, in each of two generations (see `Recent`); each takes some 700 octets, 28 MB in all."""
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

_STYLES = (".css", ".js", ".mjs")
_STYLE_TYPES = (b"text/css", b"text/javascript", b"application/javascript")
_MAX_ADDRESS = 45
_MAX_KEY = 1024

_NO_STYLES = Evidence("no-styles", "three pages or more, and no style or script of the site with them")
_ALWAYS_TYPED = Evidence("always-typed", "five pages or more in a row, each as if its address had been typed")
_FAST = Evidence("many-pages-a-minute", "sixty pages or more within a minute")
_BROAD = Evidence("many-pages-an-hour", "a hundred different pages or more within an hour")


class _Client:
    """What one client did within the window."""

    __slots__ = ("begun", "last", "minute", "pages", "pages_this_minute", "returning", "seen", "styles", "typed")

    def __init__(self, now: float, *, returning: bool) -> None:
        self.begun = self.last = self.minute = now
        self.pages = self.pages_this_minute = self.typed = 0
        self.styles = False
        self.returning = returning
        self.seen = 0


_Key = tuple[str, bytes | None, bytes | None]
"""Address, User-Agent and Accept-Language."""


class History:
    """Remembers what clients do, and says what is odd about it.

    Args:
        size: how many clients are kept in mind, in each of two generations.
    """

    def __init__(self, *, size: int = MAX_CLIENTS) -> None:
        self._clients: Recent[_Key, _Client] = Recent(size)
        self._with_styles: Recent[str, bool] = Recent(_MAX_SITES)

    def note(self, request: Request, sent: Mapping[bytes, bytes], client: str, now: float) -> tuple[Evidence, ...]:
        """Remember a request of somebody who names a browser, and say what is odd about the client so far.

        Args:
            request: what was asked for.
            sent: its headers by name.
            client: the address.
            now: seconds that never go back.
        """
        if len(client) > _MAX_ADDRESS or b"upgrade" in sent or b"sec-websocket-key" in sent:
            return ()
        # Several people may share an address; what they send differs.
        key = (client if ":" not in client else client_key(client), request.user_agent, sent.get(b"accept-language"))
        known = self._known(key, sent, now)
        known.last = now
        if b"if-none-match" in sent or b"if-modified-since" in sent:
            known.returning = True
        mode = sent.get(b"sec-fetch-mode")
        if "." in request.path and is_asset(request.path):
            known.styles = known.styles or request.path.endswith(_STYLES)
        elif request.method == "GET" and _opens_page(mode, sent):
            known.pages += 1
            known.typed = known.typed + 1 if sent.get(b"sec-fetch-site") == b"none" else 0
            known.seen |= 1 << (hash((request.path, request.query)) & 255)
            if now - known.minute >= 60.0:
                known.minute, known.pages_this_minute = now, 0
            known.pages_this_minute += 1
        return () if known.pages < _PAGES_WITHOUT_STYLES else self._odd(known, request.host, now)

    def _known(self, key: _Key, sent: Mapping[bytes, bytes], now: float) -> _Client:
        """What is remembered of a client; begun anew where that is long ago."""
        known = self._clients.get(key)
        if known is not None and now - known.last <= IDLE and now - known.begun <= WINDOW:
            return known
        # What was fetched an hour ago may still be in the cache.
        reads_on = known is not None and now - known.last <= IDLE and (known.styles or known.returning)
        fresh = _Client(now, returning=reads_on or b"cookie" in sent)
        if sum(len(part) for part in key if part) <= _MAX_KEY:
            self._clients.put(key, fresh)
        return fresh

    def _odd(self, client: _Client, host: str, now: float) -> tuple[Evidence, ...]:
        found = []
        if client.typed >= _PAGES_TYPED:
            found.append(_ALWAYS_TYPED)
        # Who has been here before may have the styles in its cache; who fetches them reads as much as it likes.
        if client.styles or client.returning or not self._with_styles.get(host):
            return tuple(found)
        # Who restores a session opens many pages before the first style is asked for.
        if now - client.begun >= _TIME_FOR_STYLES or client.pages > _PAGES_AT_ONCE:
            found.append(_NO_STYLES)
        if client.pages_this_minute >= _PAGES_A_MINUTE:
            found.append(_FAST)
        if client.pages >= _DISTINCT_PAGES and client.seen.bit_count() >= _MARKS_OF_DISTINCT_PAGES:
            found.append(_BROAD)
        return tuple(found)

    def is_curious(self, host: str) -> bool:
        """Whether it is not known yet that the site of this host answers with styles."""
        return len(host) <= MAX_HOST and self._with_styles.get(host) is None

    @staticmethod
    def is_style(media_type: bytes) -> bool:
        """Whether an answer of this kind is a style or script."""
        return media_type.startswith(_STYLE_TYPES)

    def served(self, host: str) -> None:
        """The site itself has answered with a style or script: who takes none now could have had some."""
        self._with_styles.put(host, True)


def _opens_page(mode: bytes | None, sent: Mapping[bytes, bytes]) -> bool:
    """Whether a page is opened, and not fetched by a script: where nothing says so, all browsers ask for HTML then."""
    return mode == b"navigate" if mode is not None else b"text/html" in sent.get(b"accept", b"")


def client_key(client: str) -> str:
    """What stands for a client: its address, of IPv6 the /64, within which people and their machines move."""
    if ":" not in client:
        return client
    address = parse_address(client)
    if address is None or address.version == 4:
        return str(address or client)
    return f"{int(address) >> 64:x}::/64"
