"""What a client did before: whether it reads like a person who opens pages, or like a machine that takes them.

Only those who name a browser are looked at, since only of them it is known what reading looks like. What is missing
counts only where it could be there: styles only on sites that answer with some themselves, and only of engines that
load them. What was long ago is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple
from zlib import crc32

from scrapeguard.core.clients import MAX_ADDRESS, MOST_TYPED, ClientKey, Conduct, network_key
from scrapeguard.core.groups import MARKS, Group, marks_of
from scrapeguard.core.pages import is_asset
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST, Request
from scrapeguard.core.signals import Evidence

MAX_CLIENTS = 20_000
"""Clients in mind, in each of two generations (see `Recent`); each takes some 900 octets, 36 MB in all."""
MAX_GROUPS = 4096
"""Groups in mind, in each of two generations; each takes some 300 octets, 3 MB in all."""
WINDOW = 3600.0
"""Seconds over which pages are counted."""
IDLE = 1800.0
"""Seconds after which a client that did nothing is a new one."""

_PAGES_WITHOUT_STYLES = 3
_PAGES_OF_ONE_WHO_RETURNS = 12
_TIME_FOR_STYLES = 3.0
_PAGES_AT_ONCE = 14
_NOTHING_BUT_PAGES = 8
_PAGES_TYPED = 5
_PAGES_A_MINUTE = 60
_PAGES_AN_HOUR = 100
_WHOLE_SITE = 200
_MARKS_OF_AN_HOUR = marks_of(_PAGES_AN_HOUR)
_MARKS_OF_WHOLE_SITE = marks_of(_WHOLE_SITE)
_STEADY_PAGES = 12
_STEADY_DIFFERENT = 10
_STEADY_VARIATION = 0.01  # the square of the coefficient of variation of the pauses: a tenth of the pause
_STEADY_PAUSE = 0.25
_MISSES = 10
_MAX_SITES = 1024
_MAX_LOOKS = 50
_WRONGED = 3

_LEAST_OF_FINGERPRINT = 10
_LEAST_OF_NETWORK = 8
_LEAST_OF_ADDRESS = 4
_LEAST_OF_SITE = 30

_STYLES = (".css", ".js", ".mjs")
_STYLE_TYPES = (b"text/css", b"text/javascript", b"application/javascript")
_SURVEYS = ("/robots.txt", "/sitemap.xml", "/sitemap_index.xml", "/sitemap.xml.gz")

_NO_STYLES = Evidence("no-styles", "three pages or more, and no style or script of the site with them")
_NOTHING_ELSE = Evidence("nothing-but-pages", "eight pages or more, and nothing at all that belongs to them")
_ALWAYS_TYPED = Evidence("always-typed", "five pages or more in a row, each as if its address had been typed")
_NEVER_A_LINK = Evidence("never-follows-links", "25 different pages or more in a row, and none of them by a link")
_FAST = Evidence("many-pages-a-minute", "sixty pages or more within a minute, and no style or script with them")
_BROAD = Evidence("many-pages-an-hour", "a hundred different pages or more within an hour, and no style or script")
_WHOLE = Evidence("whole-site", "two hundred different pages or more within an hour")
_STEADY = Evidence("steady-pace", "a dozen pages or more, with the same pause between any two")
_MISSED = Evidence("many-misses", "ten pages or more that are not there, half of all it asked for")
_SURVEYED = Evidence("surveys-site", "opens pages and reads robots.txt or a sitemap, which browsers do not")
_CROWD = Evidence("many-addresses", "takes pages alone, as many others do that have something in common with it")


class What(StrEnum):
    """What happened, as it is told to other workers."""

    PAGE = "p"
    PART = "a"
    STYLE = "s"
    MISS = "m"
    RETURN = "r"
    SURVEY = "v"
    STYLED_SITE = "w"
    LINKED_STYLES = "l"

    __hash__ = str.__hash__


class Act(NamedTuple):
    """Something that a client did. `number` is the mark of a page; `fingerprint` stands for what is sent with it."""

    what: What
    key: ClientKey
    host: str = ""
    number: int = 0
    typed: bool = False
    fingerprint: int = 0


class History:
    """Remembers what clients do, and says what is odd about it.

    Args:
        size: how many clients are kept in mind, in each of two generations.
        loads_styles: whether the browser that a User-Agent names loads styles; all do, if nothing is given.
        tell: takes what happened here, for other workers.
    """

    def __init__(
        self,
        *,
        size: int = MAX_CLIENTS,
        loads_styles: Callable[[bytes], bool] | None = None,
        tell: Callable[[Act, float], object] | None = None,
    ) -> None:
        self._clients: Recent[ClientKey, Conduct] = Recent(size)
        self._groups: Recent[tuple[str, object], Group] = Recent(MAX_GROUPS)
        self._sites: Recent[str, _Site] = Recent(_MAX_SITES)
        self._loads_styles = loads_styles or _all_do
        self.tell = tell

    def __len__(self) -> int:
        return len(self._clients)

    def note(self, request: Request, sent: Mapping[bytes, bytes], key: ClientKey, now: float) -> tuple[Evidence, ...]:
        """Remember a request of somebody who names a browser, and say what is odd about the client so far.

        Args:
            request: what was asked for.
            sent: its headers by name.
            key: the client.
            now: seconds that never go back.
        """
        if b"sec-websocket-key" in sent or len(key.address) > MAX_ADDRESS:
            return ()
        conduct = self._conduct(key, now)
        if not conduct.returning and _comes_back(sent, conduct):
            self._do(Act(What.RETURN, key), conduct, now)
        path = request.path
        conduct.last = now
        if "." in path and is_asset(path):
            self._note_part(request, key, conduct, now)
        elif request.method == "GET" and _opens_page(sent):
            self._note_page(request, sent, key, conduct, now)
            conduct.odd = self._odd(conduct, request.host, now)
        return conduct.odd

    def _note_part(self, request: Request, key: ClientKey, conduct: Conduct, now: float) -> None:
        if request.path in _SURVEYS:
            if not conduct.surveys:
                self._do(Act(What.SURVEY, key), conduct, now)
        elif request.path.endswith(_STYLES):
            if not conduct.styles:
                self._do(Act(What.STYLE, key), conduct, now)
                conduct.odd = self._odd(conduct, request.host, now)
        elif not conduct.parts:
            self._do(Act(What.PART, key), conduct, now)

    def _note_page(
        self, request: Request, sent: Mapping[bytes, bytes], key: ClientKey, conduct: Conduct, now: float
    ) -> None:
        target = f"{request.path}?{request.query}" if request.query else request.path
        mark = crc32(target.encode("utf-8", "replace")) % MARKS
        typed = _is_typed(sent, target)
        fingerprint = _fingerprint(sent) if not conduct.groups else 0
        # Once for every page: past the constructor, which is written in Python, at a third of the cost.
        act = tuple.__new__(Act, (What.PAGE, key, request.host, mark, typed, fingerprint))
        self._page(act, conduct, now)
        if self.tell is not None:
            self.tell(act, now)

    def _do(self, act: Act, conduct: Conduct, now: float) -> None:
        self._apply(act, conduct, now)
        if self.tell is not None:
            self.tell(act, now)

    def heard(self, act: Act, now: float) -> None:
        """Remember what a client did at another worker, at that time."""
        if act.what is What.STYLED_SITE:
            self._site(act.host).serves = True
        elif act.what is What.LINKED_STYLES:
            self._site(act.host).links = True
        else:
            conduct = self._conduct(act.key, now)
            self._apply(act, conduct, now)
            conduct.last = max(conduct.last, now)

    def _apply(self, act: Act, conduct: Conduct, now: float) -> None:
        match act.what:
            case What.PAGE:
                self._page(act, conduct, now)
            case What.STYLE:
                self._style(conduct)
            case What.PART:
                conduct.parts = True
            case What.MISS:
                conduct.misses += 1
            case What.RETURN:
                conduct.returning = True
            case What.SURVEY:
                conduct.surveys = True

    def _page(self, act: Act, conduct: Conduct, now: float) -> None:
        conduct.opened(act.number, now, typed=act.typed)
        if conduct.styles:
            return
        if not conduct.groups and act.key.is_kept:
            self._join(act, conduct, now)
        for group in conduct.groups:
            group.opened(act.number)

    def _style(self, conduct: Conduct) -> None:
        if not conduct.styles:
            conduct.styles = True
            for group in conduct.groups:
                group.styled()

    def _join(self, act: Act, conduct: Conduct, now: float) -> None:
        """The first page of a newcomer makes it a member of all that it is part of."""
        address, host = act.key.address, act.host[:MAX_HOST]
        keys: tuple[tuple[tuple[str, object], int], ...] = (
            ((host, (act.key.user_agent, act.key.language, act.fingerprint)), _LEAST_OF_FINGERPRINT),
            ((host, network_key(address)), _LEAST_OF_NETWORK),
            ((host, address), _LEAST_OF_ADDRESS),
            ((host, None), _LEAST_OF_SITE),
        )
        groups = []
        for key, least in keys:
            group = self._groups.get(key)
            if group is None:
                group = Group(least, now)
                self._groups.put(key, group)
            group.joined(now)
            groups.append(group)
        conduct.groups = tuple(groups)

    def _conduct(self, key: ClientKey, now: float) -> Conduct:
        """What is remembered of a client; begun anew where that is long ago."""
        known = self._clients.get(key)
        if known is not None and now - known.last <= IDLE and now - known.begun <= WINDOW:
            return known
        fresh = Conduct(now, loads=self._loads_styles(key.user_agent or b""))
        if known is not None:
            # What was fetched then may still be in the cache; surely so of who reads on.
            fresh.returning = known.styles or known.returning
            fresh.styles = known.styles and now - known.last <= IDLE
        if key.is_kept:
            self._clients.put(key, fresh)
        return fresh

    def _odd(self, client: Conduct, host: str, now: float) -> tuple[Evidence, ...]:
        found = []
        if client.typed >= _PAGES_TYPED:
            found.append(_ALWAYS_TYPED)
            if len(client.typed_seen) >= MOST_TYPED:
                found.append(_NEVER_A_LINK)
        if client.pages >= _STEADY_PAGES and _is_steady(client):
            found.append(_STEADY)
        if client.marks >= _MARKS_OF_WHOLE_SITE:
            found.append(_WHOLE)
        if client.misses >= _MISSES and client.misses * 2 >= client.pages:
            found.append(_MISSED)
        if client.surveys:
            found.append(_SURVEYED)
        # Who fetches styles reads as much as it likes; a browser for text fetches none.
        if client.styles or not client.loads or not self._has_styles(host):
            return tuple(found)
        return (*found, *self._bare(client, now))

    def _bare(self, client: Conduct, now: float) -> list[Evidence]:
        """What is odd about a client that took nothing but pages, on a site that has more."""
        found = []
        # Who has been here before may have the styles in its cache.
        least = _PAGES_OF_ONE_WHO_RETURNS if client.returning else _PAGES_WITHOUT_STYLES
        # Who restores a session opens many pages before the first style is asked for.
        settled = now - client.begun >= _TIME_FOR_STYLES or client.pages > _PAGES_AT_ONCE
        if client.pages >= least and settled:
            found.append(_NO_STYLES)
            if client.pages >= _NOTHING_BUT_PAGES and not client.parts:
                found.append(_NOTHING_ELSE)
            if client.pages_this_minute >= _PAGES_A_MINUTE:
                found.append(_FAST)
            if client.marks >= _MARKS_OF_AN_HOUR:
                found.append(_BROAD)
        if any(group.suspect for group in client.groups):
            found.append(_CROWD)
        return found

    def missed(self, key: ClientKey, now: float) -> None:
        """A client was told that there is no such page."""
        conduct = self._clients.get(key)
        if conduct is not None and conduct.pages:
            self._do(Act(What.MISS, key), conduct, now)

    def passed(self, key: ClientKey, host: str, now: float) -> None:
        """A client has fetched a style that was made for it alone, on that host."""
        conduct = self._conduct(key, now)
        site = self._sites.get(host)
        if site is not None and not conduct.styles and not conduct.returning:
            site.wronged += 1
        self._do(Act(What.STYLE, key), conduct, now)

    def begins_anew(self, key: ClientKey, now: float) -> None:
        """A client has shown that a person is there: what it did before is forgotten."""
        fresh = Conduct(now, loads=self._loads_styles(key.user_agent or b""))
        fresh.returning = True
        self._clients.put(key, fresh)

    def is_curious(self, host: str) -> bool:
        """Whether the site of this host has not answered with a style yet."""
        site = self._sites.get(host)
        return len(host) <= MAX_HOST and (site is None or not site.serves)

    def looks_for_links(self, host: str) -> bool:
        """Whether it is worth a look which styles a page of this host links to."""
        site = self._sites.get(host)
        return site is None or not (site.links or site.serves or site.looks >= _MAX_LOOKS)

    @staticmethod
    def is_style(media_type: bytes) -> bool:
        """Whether an answer of this kind is a style or script."""
        return media_type.startswith(_STYLE_TYPES)

    def served(self, host: str, now: float = 0.0) -> None:
        """The site itself has answered with a style or script: who takes none now could have had some."""
        site = self._site(host)
        if not site.serves:
            site.serves = True
            if self.tell is not None:
                self.tell(Act(What.STYLED_SITE, NOBODY, host), now)

    def looked(self, host: str, *, found: bool, now: float = 0.0) -> None:
        """A page of the site was looked through for links to styles and scripts of its own."""
        site = self._site(host)
        site.looks += 1
        if found and not site.links:
            site.links = True
            if self.tell is not None:
                self.tell(Act(What.LINKED_STYLES, NOBODY, host), now)

    def _site(self, host: str) -> _Site:
        site = self._sites.get(host)
        if site is None:
            site = _Site()
            self._sites.put(host, site)
        return site

    def _has_styles(self, host: str) -> bool:
        """Whether who opens pages could have fetched styles here.

        The site has served some, or its pages link to some. These may be served by somebody else who stands in front;
        so as soon as browsers that took none turn out to load what is made for them, links prove nothing any more.
        """
        site = self._sites.get(host)
        return site is not None and (site.serves or (site.links and site.wronged < _WRONGED))


class _Site:
    """What is known of the styles of a site."""

    __slots__ = ("links", "looks", "serves", "wronged")

    def __init__(self) -> None:
        self.serves = self.links = False
        self.looks = self.wronged = 0


def _opens_page(sent: Mapping[bytes, bytes]) -> bool:
    """Whether a page is opened, and not fetched by a script: where nothing says so, all browsers ask for HTML then.

    No browser sends Sec-Fetch-Mode without its companions, so what does is no script of a page either.
    """
    mode = sent.get(b"sec-fetch-mode")
    if mode is None:
        return b"text/html" in sent.get(b"accept", b"")
    return mode == b"navigate" or b"sec-fetch-site" not in sent or b"sec-fetch-dest" not in sent


def _all_do(_: bytes) -> bool:
    return True


NOBODY = ClientKey("", None, None)
"""Stands where an act is no client's."""


def _comes_back(sent: Mapping[bytes, bytes], conduct: Conduct) -> bool:
    """Whether a client shows that it was here before: it asks for what has changed, or brings a cookie at once."""
    if b"if-none-match" in sent or b"if-modified-since" in sent:
        return True
    return b"cookie" in sent and not conduct.pages and not conduct.parts and not conduct.styles


def _is_typed(sent: Mapping[bytes, bytes], target: str) -> bool:
    """Whether a page is opened as if its address had been typed, or by itself: nobody follows a link to where it is."""
    referrer = sent.get(b"referer")
    if referrer is None:
        return sent.get(b"sec-fetch-site", b"none") == b"none"
    return referrer.partition(b"//")[2].partition(b"/")[2] == target[1:].encode("latin-1", "replace")


def _fingerprint(sent: Mapping[bytes, bytes]) -> int:
    """What stands for the way in which a client asks: which headers it sends, in which order, and what it accepts."""
    fields = (*sent, sent.get(b"accept", b""), sent.get(b"accept-encoding", b""), sent.get(b"sec-ch-ua", b""))
    return crc32(b"\n".join(fields))


def _is_steady(client: Conduct) -> bool:
    """Whether the pauses between pages are all alike, and not of no length."""
    number = client.pages - 1
    mean = client.gaps / number
    if mean < _STEADY_PAUSE or client.marks < _STEADY_DIFFERENT:
        return False
    return client.gaps_squared / number - mean * mean <= _STEADY_VARIATION * mean * mean
