"""What a client did before: whether it reads like a person who opens pages, or like a machine that takes them.

Only those who name a browser are looked at, since only of them it is known what reading looks like. What is missing
counts only where it could be there: styles only on sites that answer with some themselves, and only of engines that
load them. What was long ago is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from scrapeguard.core.acts import Act, What
from scrapeguard.core.asking import comes_back, fingerprint, is_ahead, is_clicked, is_prefetch, is_typed, opens_page
from scrapeguard.core.clients import ClientKey, Conduct, Identity
from scrapeguard.core.groups import MARKS, Group
from scrapeguard.core.haste import CLICKS_AT_ONCE, PAGES_AT_ONCE, bursts, hurries, note_page, note_part
from scrapeguard.core.hosts import Hosts
from scrapeguard.core.oddity import clicks_by_clock, is_plain, odd, without_bare
from scrapeguard.core.pages import is_asset
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request
from scrapeguard.core.signals import Evidence
from scrapeguard.core.styles import Styles, Tell
from scrapeguard.core.walks import Walks

MAX_CLIENTS = 20_000
"""Clients in mind, in each of two generations (see `Recent`); each takes some 1,340 octets, 54 MB in all."""
MAX_GROUPS = 4096
"""Groups in mind, in each of two generations; each takes some 300 octets, 3 MB in all."""
WINDOW = 3600.0
"""Seconds over which pages are counted."""
IDLE = 1800.0
"""Seconds after which a client that did nothing is a new one."""


Judge = Callable[[Request], tuple[Evidence, ...]]
"""Says what is odd about how a request is written."""
_LEAST = (10, 8, 30, 4)
"""Newcomers of one fingerprint, network, site and address before anything is said of them."""

_NOTED = {
    What.PART: "parts",
    What.RETURN: "returning",
    What.SURVEY: "surveys",
    What.HURRIED: "hurried",
    What.AT_ONCE: "at_once",
    What.CLOCKED: "clocked",
}
"""What is remembered of a client once it has done that."""
_HELD_AGAINST = frozenset({What.SURVEY, What.HURRIED, What.AT_ONCE, What.CLOCKED})
_COMMON_NAME = b"Mozilla/"
_HEADLESS = b"HeadlessChrome/"
_MAX_KINDS = 1024
_LONGEST_NAME = 512
_STYLES = (".css", ".js", ".mjs")
_SURVEYS = ("/robots.txt", "/sitemap.xml", "/sitemap_index.xml", "/sitemap.xml.gz")


class History:
    """Remembers what clients do, and says what is odd about it.

    Args:
        size: how many clients are kept in mind, in each of two generations.
        loads_styles: whether the browser that a User-Agent names loads styles; all do, if nothing is given.
        judge: says what is odd about how the request of a page is written, of which the first of each client is judged.
        tell: takes what happened here, for other workers.
    """

    def __init__(
        self,
        *,
        size: int = MAX_CLIENTS,
        loads_styles: Callable[[bytes], bool] | None = None,
        judge: Judge | None = None,
        tell: Tell | None = None,
    ) -> None:
        self._clients: Recent[Identity, Conduct] = Recent(size)
        self._groups: Recent[tuple[str, object], Group] = Recent(MAX_GROUPS)
        self.hosts = Hosts()
        self.styles = Styles()
        self._walks = Walks()
        self._loads_styles = loads_styles or _all_do
        self._kinds: Recent[bytes, tuple[bool, bool]] = Recent(_MAX_KINDS)
        self._judge = judge
        self.tell = tell

    def __len__(self) -> int:
        return len(self._clients)

    def note(self, request: Request, conduct: Conduct, now: float) -> tuple[Evidence, ...]:
        """Remember a request of somebody who names a browser, and say what is odd about the client so far.

        Args:
            request: what was asked for.
            conduct: what is remembered of the client.
            now: seconds that never go back.
        """
        sent = request.sent
        # Apps, browsers for text and runtimes name themselves, and read in ways of their own.
        if not conduct.loads and not (request.user_agent or b"").startswith(_COMMON_NAME):
            return ()
        # What speaks for others is of no use to those who fetch styles.
        if not (conduct.styles or conduct.returning) and comes_back(sent, conduct):
            self._do(Act(What.RETURN, conduct.key), conduct, now)
        path = request.path
        conduct.last = now
        if "." in path and is_asset(path):
            self._note_part(request, conduct, now)
        elif request.method == "GET" and opens_page(sent) and not (is_prefetch(sent) and is_ahead(conduct)):
            self._note_page(request, conduct, now)
        elif request.method == "HEAD" and not conduct.surveys and opens_page(sent):
            self._do(Act(What.SURVEY, conduct.key), conduct, now)
        return conduct.odd

    def _note_part(self, request: Request, conduct: Conduct, now: float) -> None:
        note_part(conduct)
        key = conduct.key
        if request.path in _SURVEYS:
            if not conduct.surveys:
                self._do(Act(What.SURVEY, key), conduct, now)
        elif request.path.endswith(_STYLES):
            self.styles.fetched(self.hosts.name_of(request.host), first=not conduct.styles)
            conduct.fetched(crc32(request.path.encode("utf-8", "replace")))
            if not conduct.styles:
                self._do(Act(What.STYLE, key), conduct, now)
        elif not conduct.parts:
            self._do(Act(What.PART, key), conduct, now)

    def _note_page(self, request: Request, conduct: Conduct, now: float) -> None:
        sent, host = request.sent, self.hosts.name_of(request.host)
        target = f"{request.path}?{request.query}" if request.query else request.path
        octets = target.encode("utf-8", "replace")
        place = crc32(octets)
        typed = is_typed(sent, octets, conduct)
        conduct.clicked = conduct.clicked + 1 if is_clicked(sent) else 0
        note_page(conduct, sent, place, now)
        if conduct.styles and self.tell is None and self._walks.needs_not(conduct, now):
            # Most pages are those of readers, of whom nothing else is to be written down.
            conduct.opened(place % MARKS, now, typed)
        else:
            path = place if not request.query else crc32(request.path.encode("utf-8", "replace"))
            said = place % MARKS, typed, self._introduced(request, conduct), path if request.path != "/" else 0
            # Once for every page: past the constructor, which is written in Python, at a third of the cost.
            self._do(tuple.__new__(Act, (What.PAGE, conduct.key, host, *said)), conduct, now)
        if conduct.run > PAGES_AT_ONCE or conduct.chain > CLICKS_AT_ONCE:
            self._note_haste(host, conduct, now)
        if is_plain(conduct):
            conduct.odd = ()
        else:
            if not conduct.clocked and clicks_by_clock(conduct):
                self._do(Act(What.CLOCKED, conduct.key), conduct, now)
            conduct.odd = odd(conduct, now, has_styles=not conduct.styles and self._has_styles(host))

    def _introduced(self, request: Request, conduct: Conduct) -> int:
        """What stands for how a newcomer asks, which is looked at then; 0 for those who are known."""
        if conduct.crowds and (conduct.groups or conduct.styles):
            return 0
        if self._judge is not None and (written := self._judge(request)):
            conduct.written, conduct.marked = written, True
        return fingerprint(request.sent)

    def _note_haste(self, host: str, conduct: Conduct, now: float) -> None:
        if not conduct.hurried and hurries(conduct):
            self._do(Act(What.HURRIED, conduct.key), conduct, now)
        # Where the site has nothing but pages, nothing can be missed between them.
        if not conduct.at_once and bursts(conduct) and conduct.loads and self._has_styles(host):
            self._do(Act(What.AT_ONCE, conduct.key), conduct, now)

    def _has_styles(self, host: str) -> bool:
        """Whether who opens pages could have fetched styles; most apps answer to any host with the same pages."""
        if self.styles.are_at(host):
            return True
        return self.styles.are_anywhere and not (self.hosts.is_in_use(host) or self.styles.have_been_looked_for(host))

    def _do(self, act: Act, conduct: Conduct, now: float) -> None:
        self._apply(act, conduct, now)
        if self.tell is not None:
            self.tell(act, now)

    def heard(self, act: Act, now: float) -> None:
        """Remember what a client did at another worker, at that time."""
        if act.what in (What.STYLED_SITE, What.LINKED_STYLES):
            self.styles.heard(act)
        else:
            conduct = self.conduct(act.key, now)
            self._apply(act, conduct, now)
            conduct.last = max(conduct.last, now)

    def _apply(self, act: Act, conduct: Conduct, now: float) -> None:
        match act.what:
            case What.PAGE:
                self._page(act, conduct, now)
            case What.STYLE:
                self._style(conduct)
            case What.MISS:
                conduct.misses += 1
            case What.PASSED:
                self._passed(act, conduct, now)
            case _ if act.what in _NOTED:
                setattr(conduct, _NOTED[act.what], True)
                conduct.marked |= act.what in _HELD_AGAINST

    def _page(self, act: Act, conduct: Conduct, now: float) -> None:
        before = conduct.marks
        conduct.opened(act.number, now, act.typed)
        if not act.key.is_kept:
            return
        conduct.fingerprint = act.fingerprint or conduct.fingerprint
        site = self.hosts.site_of(act.host)
        if conduct.site != site:
            # Who shares one site out is not to be held against who reads another.
            conduct.site, conduct.groups, conduct.crowds, conduct.walks = site, (), (), False
        if conduct.marks != before and conduct.loads:
            self._walks.opened(act.place, conduct, now)
        if conduct.styles:
            return
        if not conduct.groups:
            self._join(conduct, now)
        for group in conduct.groups:
            group.opened(act.number)

    def _passed(self, act: Act, conduct: Conduct, now: float) -> None:
        self._style(conduct)
        self._walks.passed(conduct, now)
        conduct.shown = True

    def _style(self, conduct: Conduct) -> None:
        if not conduct.styles:
            conduct.styles = True
            conduct.odd = without_bare(conduct.odd)
            for group in conduct.groups:
                group.styled()

    def _join(self, conduct: Conduct, now: float) -> None:
        """The first page of a newcomer makes it a member of all that it is part of."""
        groups = []
        for key, least in zip(conduct.in_common(address=True), _LEAST, strict=True):
            group = self._groups[key]
            if group is None:
                group = Group(least, now)
                self._groups.put(key, group)
            group.joined(now)
            groups.append(group)
        conduct.groups = tuple(groups)

    def conduct(self, identity: Identity, now: float) -> Conduct:
        """What is remembered of a client; begun anew where that is long ago."""
        known = self._clients[identity]
        if known is not None and now - known.last <= IDLE and now - known.begun <= WINDOW:
            return known
        key = ClientKey(*identity)
        fresh = self._begun(key, now)
        if known is not None:
            # What was fetched then may still be in the cache; surely so of who reads on.
            fresh.returning = known.styles or known.returning
            fresh.styles = known.styles and now - known.last <= IDLE
            fresh.site, fresh.crowds = known.site, known.crowds
            fresh.asked, fresh.shown, fresh.fingerprint = known.asked, known.shown, known.fingerprint
            fresh.written, fresh.marked = known.written, fresh.marked or bool(known.written)
        if key.is_kept:
            self._clients.put(key, fresh)
        return fresh

    def _begun(self, key: ClientKey, now: float) -> Conduct:
        """A client of whom nothing is known but its name, which many share."""
        agent = key.user_agent or b""
        kind = self._kinds[agent]
        if kind is None:
            kind = self._loads_styles(agent), _HEADLESS in agent
            if len(agent) <= _LONGEST_NAME:
                self._kinds.put(agent, kind)
        loads, headless = kind
        return Conduct(key, now, loads=loads, headless=headless)

    def missed(self, key: ClientKey, now: float) -> None:
        """A client was told that there is no such page."""
        conduct = self._clients[key]
        if conduct is not None and conduct.pages:
            self._do(Act(What.MISS, key), conduct, now)

    def passed(self, key: ClientKey, host: str, now: float) -> None:
        """A client has fetched a style that was made for it alone, on that host."""
        conduct, name = self.conduct(key, now), self.hosts.name_of(host)
        if not conduct.styles and not conduct.returning:
            self.styles.wronged(name)
        self._do(Act(What.PASSED, key, name), conduct, now)

    def begins_anew(self, key: ClientKey, now: float) -> None:
        """A client has shown that a person is there: what it did before is forgotten."""
        fresh = self._begun(key, now)
        fresh.returning = fresh.styles = fresh.shown = True
        known = self._clients[key]
        if known is not None:
            fresh.site, fresh.groups, fresh.crowds = known.site, known.groups, known.crowds
            fresh.fingerprint = known.fingerprint
        if key.is_kept:
            self._clients.put(key, fresh)


def _all_do(_: bytes) -> bool:
    return True
