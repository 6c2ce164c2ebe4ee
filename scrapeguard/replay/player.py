"""Playing logged requests through a guard.

What a log does not tell is filled in so that it counts neither for nor against a client: the signs that headers give
are those that were written down then, if any; what is no style or picture is taken for a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scrapeguard.asgi.passage import GO_ON, PREFIX, STYLE
from scrapeguard.core.browserheaders import HEADER_SIGNALS, BrowserHeaders
from scrapeguard.core.clients import Conduct
from scrapeguard.core.decision import Action, Decision, Mode
from scrapeguard.core.ledger import Deed
from scrapeguard.core.optout import Place, origin_of, statements
from scrapeguard.core.pages import is_asset
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request
from scrapeguard.core.robots import groups
from scrapeguard.core.robotsfile import RobotsText
from scrapeguard.core.robotsmerge import merge
from scrapeguard.core.signals import Evidence
from scrapeguard.guard import Guard
from scrapeguard.replay.lines import Logged

BOTH_SIGNALS = frozenset({"headless-browser"})
"""Those that are read from headers or from the name: what was written down counts, and what is found again once."""
ROBOTS_TXT = "/robots.txt"
_FILES = (ROBOTS_TXT, "/.well-known/tdmrep.json", "/license.xml")
_STYLES = (".css", ".js", ".mjs")
_MAX_ROBOTS = 256

TO_EVERYBODY = "answered to everybody, before any rule"
WAY_OUT = "the way out for people"


class LogClock:
    """The time of the log, in seconds since the epoch, which does not go back."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


class LoggedHeaders(BrowserHeaders):
    """Judges browsers by what a log tells: their names, and what was written down of their headers."""

    seen: tuple[Evidence, ...] = ()
    """Signs of the present request that were written down then."""

    def of_client(self, request: Request, scheme: str, _: Conduct) -> tuple[Evidence, ...]:
        """The signs on a request; what was written down of one is not to be found on the next."""
        return self.evidence(request, scheme)

    def evidence(self, request: Request, scheme: str) -> tuple[Evidence, ...]:
        """The signs on a request."""
        found = super().evidence(request, scheme)
        found = tuple(said for said in found if said.signal not in HEADER_SIGNALS)
        again = {said.signal for said in found}
        told = (
            said
            for said in self.seen
            if said.signal in HEADER_SIGNALS or (said.signal in BOTH_SIGNALS and said.signal not in again)
        )
        return (*told, *found)


class Played(NamedTuple):
    """A logged request, the decision on it, and what came before any decision."""

    logged: Logged
    decision: Decision
    note: str | None = None


class Player:
    """Plays requests in the order of the log.

    Args:
        guard: decides; its clock is the one given, and it reads headers by `headers`.
        clock: is set to the time of each request.
        headers: is told what was written down of the headers of each request.
        own_robots: the robots.txt that the site has itself.
        host: of the requests for which the log names none.
        scheme: `https` or `http`, as clients came.
    """

    def __init__(
        self,
        guard: Guard,
        clock: LogClock,
        headers: LoggedHeaders,
        *,
        own_robots: RobotsText,
        host: str = "",
        scheme: str = "http",
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._headers = headers
        self._own_robots = own_robots
        self._host = host
        self._scheme = scheme
        self._robots: Recent[tuple[SitePolicy, str], bytes] = Recent(_MAX_ROBOTS)

    def play(self, logged: Logged) -> Played:
        """The decision on one request, after all those before it."""
        self._clock.now = max(self._clock.now, logged.time)
        request = self._request(logged)
        allowed = Decision(Action.ALLOW, "default", client=logged.client)
        if request.path.startswith(PREFIX):
            self._take_way_out(request, logged)
            return Played(logged, allowed, WAY_OUT)
        enforced = self._guard.policy.site(request.host).mode is Mode.ENFORCE
        if enforced and request.path in _FILES and request.method in ("GET", "HEAD"):
            if request.path == ROBOTS_TXT and logged.status in (None, 200, 304):
                self._guard.read_robots(request, request.host, self._robots_txt(request.host))
            return Played(logged, allowed, TO_EVERYBODY)
        self._headers.seen = logged.seen
        decision = self._guard.assess(request)
        self._learn(request, logged, decision)
        return Played(logged, decision)

    def _request(self, logged: Logged) -> Request:
        path = logged.target.partition("?")[0]
        headers = [("accept", "*/*" if is_asset(path) else "text/html,*/*;q=0.8")]
        if logged.referrer is not None:
            headers.append(("referer", logged.referrer))
        elif not logged.knows_referrer:
            # Neither typed nor linked, for all that is known.
            headers.append(("sec-fetch-site", "same-origin"))
        if logged.status == 304:
            headers.append(("if-none-match", '"logged"'))
        request = Request.of(
            logged.target,
            method=logged.method,
            headers=headers,
            host=logged.host or self._host,
            scheme=self._scheme,
            peer=logged.client,
        )
        agent = logged.user_agent
        named: Iterable[tuple[bytes, bytes]] = () if agent is None else ((b"user-agent", agent),)
        return request._replace(user_agent=agent, headers=(*request.headers, *named))

    def _learn(self, request: Request, logged: Logged, decision: Decision) -> None:
        """What the answer tells, as the middleware learns it from its app."""
        behaviour = self._guard.behaviour
        if behaviour is None:
            return
        if logged.status == 404:
            self._guard.missed(request, decision.client)
        elif logged.status in (200, 304) and request.path.endswith(_STYLES):
            behaviour.history.styles.served(request.host, self._clock.now)
        elif logged.status == 403 and decision.action is Action.CHALLENGE and decision.client is not None:
            # Who got the page then cannot have ignored a challenge.
            behaviour.ledger.challenged(self._guard.client_key(request, decision.client), self._clock.now)

    def _take_way_out(self, request: Request, logged: Logged) -> None:
        behaviour, now = self._guard.behaviour, self._clock.now
        if behaviour is None or logged.client is None:
            return
        key = self._guard.client_key(request, logged.client)
        if request.path == STYLE and logged.status == 200:
            behaviour.ledger.note(key, Deed.LOADED_STYLE, now)
            behaviour.history.passed(key, request.host, now)
        elif request.path == GO_ON and request.method == "POST" and logged.status == 303:
            behaviour.ledger.note(key, Deed.PRESSED_BUTTON, now)
            behaviour.history.begins_anew(key, now)

    def _robots_txt(self, host: str) -> bytes:
        """The robots.txt of a host, as it is under this policy."""
        site = self._guard.policy.site(host)
        known = self._robots.get((site, host))
        if known is None:
            told = groups(site, self._guard.policy.catalogue, host, closed=self._guard.closed)
            said = statements(Place(site, origin_of(self._scheme, host)))
            known = merge(self._own_robots, told, said).encode("utf-8", "surrogateescape")
            self._robots.put((site, host), known)
        return known
