"""Adding what a site announces to the responses of its app, without changing what the app says itself."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

from scrapeguard.asgi.refusal import RefusalPages
from scrapeguard.core.aipref import is_readable, preferences, strictest, written
from scrapeguard.core.conditions import rates_of
from scrapeguard.core.decision import Decision, Mode
from scrapeguard.core.optout import Place, origin_of, response_headers
from scrapeguard.core.pages import links_to_styles
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST, Headers, Request, targets_of
from scrapeguard.core.rsl import MEDIA_TYPE
from scrapeguard.core.sharing import strictest_of
from scrapeguard.guard import Guard

logger = logging.getLogger("scrapeguard")

Pairs = list[tuple[bytes, bytes]]

SHARING = b"x-scrapeguard-sharing"
"""The response header in which an app says that the author of a page refuses AI: `deny`. It never leaves."""
_ROBOTS_TAG = b"x-robots-tag"
_LINK = b"link"
_CONTENT_USAGE = b"content-usage"
_TDM = b"tdm-reservation"
_TDM_POLICY = b"tdm-policy"
_COMMON = frozenset(
    b"content-length content-type content-encoding cache-control date etag expires last-modified server set-cookie "
    b"vary x-frame-options x-content-type-options referrer-policy content-security-policy "
    b"strict-transport-security".split()
)
_MAX_VOICES = 1024
_MAX_LOOKED_THROUGH = 64 * 1024


class Announcer:
    """What is said with the answers to requests of one kind; a header that the app sends itself stays as it is.

    Args:
        headers: what is announced.
        pages: what a refusal looks like there.
        tighten: where the app says something else itself, whether the stricter of the two is sent.
    """

    def __init__(self, headers: Headers, pages: RefusalPages, *, tighten: bool = False) -> None:
        self.headers = headers
        self.pages = pages
        self._tighten = tighten
        self._names = frozenset(name for name, _ in headers)
        self._looked_at = self._names | {SHARING}
        self._common = _COMMON - self._looked_at
        self.curious = True
        """Whether it is not known yet that the site answers with styles."""

    def added_to_ordinary(self, theirs: Pairs) -> Pairs | None:
        """Their headers and ours; None where one of theirs is to be looked at, or not in lower case as ASGI asks."""
        names = dict(theirs).keys()
        # Few apps send others than these with a page, and one look at them all is the quickest.
        if names <= self._common or (self._looked_at.isdisjoint(names) and b"".join(names).islower()):
            return [*theirs, *self.headers]
        return None

    def added(self, theirs: Sequence[tuple[bytes, bytes]], present: Collection[bytes]) -> Pairs:
        """Their headers and ours.

        Args:
            theirs: the headers of the app.
            present: their names in lower case.
        """
        if self._names.isdisjoint(present):
            return [*theirs, *self.headers]
        headers = [*theirs]
        for name, value in self.headers:
            self._add(headers, name, value, present)
        return headers

    def _add(self, headers: Pairs, name: bytes, value: bytes, present: Collection[bytes]) -> None:
        if name == _TDM_POLICY and _TDM in present and not self._tighten:
            return
        if name not in present:
            headers.append((name, value))
        elif name == _ROBOTS_TAG:
            if missing := _missing_directives(value, headers):
                headers.append((name, missing))
        elif name == _LINK:
            if not any(MEDIA_TYPE.encode() in link for link in _values(headers, _LINK)):
                headers.append((name, value))
        elif self._tighten and name in (_CONTENT_USAGE, _TDM):
            _replace(headers, name, _stricter(name, value, _values(headers, name)))


def _waits(site: SitePolicy) -> dict[str, int]:
    """For each rule that asks how often a client came: the longest time it looks back, an hour at most."""
    rates = ((rule.name, [rate.seconds for rate in rates_of(rule.when)]) for rule in site.rules)
    return {name: round(min(max(seconds), 3600.0)) for name, seconds in rates if seconds}


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name.lower() == wanted]


def _stricter(name: bytes, ours: bytes, theirs: list[bytes]) -> bytes:
    if name == _TDM:
        return max(ours, *(value.strip() for value in theirs if value.strip() in (b"0", b"1")), b"0")
    texts = [value.decode("latin-1") for value in theirs]
    said = strictest(texts)
    denied = [label for label, allowed in preferences(ours.decode()).items() if not allowed]
    missing = dict.fromkeys((label for label in denied if said.get(label, True)), False)
    # Of two members of a name the last counts (RFC 9651 §4.2.2); what is not ours to change stays as it is.
    kept = [text for text in texts if is_readable(text)]
    return ", ".join([*kept, written(missing)] if missing else kept).encode()


def _replace(headers: Pairs, name: bytes, value: bytes) -> None:
    headers[:] = [(key, said) for key, said in headers if key.lower() != name]
    headers.append((name, value))


def _missing_directives(ours: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Our directives less those that the app sends to every robot; a line that begins with a robot's name is for it."""
    said = {directive.strip().lower() for value in _values(headers, _ROBOTS_TAG) for directive in value.split(b",")}
    return b", ".join(directive for directive in ours.split(b", ") if directive not in said)


class Announcements:
    """What the responses of every site announce, page by page; nothing where nothing is enforced."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._history = None if guard.behaviour is None else guard.behaviour.history
        self._policy = guard.policy
        self._behind_proxies = bool(guard.policy.proxies.networks)
        self._pages: dict[SitePolicy, RefusalPages] = {}
        self._complained = False
        # Strangers choose the Host, which stands in the address of the licence.
        self._voices: Recent[tuple[object, ...], Announcer] = Recent(_MAX_VOICES)
        self.unplaced = self._voice(Place(guard.policy.common))
        """For answers to requests that could not be read."""

    def of_page(self, request: Request, refused: bool = False) -> Announcer:
        """For the answer to a request.

        Args:
            request: what was asked for.
            refused: whether the app says that the author of the page refuses AI.
        """
        policy, refused_paths = self._policy, self._guard.refused_paths
        host = request.host
        site = policy.site(host) if policy.sites else policy.common
        scheme = policy.proxies.scheme(request) if self._behind_proxies else request.scheme
        said = None
        key: tuple[object, ...]
        if refused or site.paths or refused_paths.patterns:
            targets = targets_of(request.path, request.query)
            said = strictest_of(map(site.by_path.find, targets))
            refused = refused or any(map(refused_paths.covers, targets))
            key = (scheme, host, said, refused)
        else:
            key = (scheme, host)
        voice = self._voices[key]
        if voice is None:
            voice = self._voice(Place(site, origin_of(scheme, host), said, refused))
            if len(host) <= MAX_HOST:
                self._voices.put(key, voice)
        return voice

    def is_telling(self, voice: Announcer, request: Request, headers: Mapping[bytes, bytes]) -> bool:
        """Whether an answer tells of styles of its site: it is one, or a page that may link to some.

        Nothing tells of them any more once the site has answered with some.
        """
        history = self._history
        host = "" if history is None else history.hosts.name_of(request.host)
        if history is None or not history.styles.are_curious(host):
            voice.curious = False
            return False
        media_type = headers.get(b"content-type", b"")
        if not media_type.startswith(b"text/html"):
            return history.styles.are(media_type)
        return b"content-encoding" not in headers and history.styles.look_for_links(host)

    def look(self, request: Request, headers: Mapping[bytes, bytes]) -> bool:
        """Take notice of an answer that tells of styles.

        Returns:
            Whether its body is worth a look too: that of a page.
        """
        history = self._history
        if history is None or not history.styles.are(headers.get(b"content-type", b"")):
            return True
        history.styles.served(history.hosts.name_of(request.host), self._guard.monotonic())
        return False

    def look_through(self, request: Request, part: bytes) -> None:
        """Take notice of whether a page links to styles or scripts of its own site."""
        history = self._history
        if history is not None:
            found = links_to_styles(part[:_MAX_LOOKED_THROUGH], request.host)
            history.styles.looked(history.hosts.name_of(request.host), found=found, now=self._guard.monotonic())

    def missed(self, request: Request, decision: Decision) -> None:
        """Take notice of a page that is not there."""
        self._guard.missed(request, decision.client)

    def misunderstood(self, word: bytes) -> None:
        """Say once that the app said something to us that means nothing."""
        if not self._complained:
            self._complained = True
            said = word[:40].decode("latin-1")
            logger.warning("the app sent X-Scrapeguard-Sharing: %s; only `deny` means something", said)

    def _voice(self, place: Place) -> Announcer:
        site = place.site
        pages = self._pages.get(site)
        if pages is None:
            pages = self._pages[site] = RefusalPages(site.refusal, _waits(site))
        headers = response_headers(place) if site.mode is Mode.ENFORCE else ()
        return Announcer(headers, pages, tighten=site.opt_out.tighten)
