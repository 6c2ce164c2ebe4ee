"""What a client is and does, beside what it says: its headers, its past, and what it answers for."""

from __future__ import annotations

from hashlib import blake2b

from scrapeguard.core.browserheaders import BrowserHeaders
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.clients import ClientKey, tag_of
from scrapeguard.core.history import History
from scrapeguard.core.ledger import Deed, Ledger, Standing, paths_to_answer_for
from scrapeguard.core.request import Request, canonical_target
from scrapeguard.core.robotsfile import parse
from scrapeguard.core.signals import Evidence
from scrapeguard.core.traps import Traps
from scrapeguard.core.useragent import Claim

_TRAP_SHARED = Evidence("trap-shared", "a trap that was handed to it was followed from another address")
# They fetch what somebody else points at, and read no robots.txt for it.
_SENT_BY_OTHERS = frozenset({Purpose.LINK_PREVIEW, Purpose.FEED_READER, Purpose.MONITOR})
_PREFETCHES = (b"sec-purpose", b"purpose", b"x-moz")


class Behaviour:
    """Gathers evidence against those who are not who they seem.

    Args:
        browsers: judges the headers of those who name a browser.
        history: remembers what these do.
        ledger: remembers what anybody answers for.
        traps: the traps of the site; None where it has none.
        secret: makes the tags of clients.
    """

    def __init__(
        self,
        *,
        browsers: BrowserHeaders,
        history: History,
        ledger: Ledger,
        traps: Traps | None = None,
        secret: bytes = b"",
    ) -> None:
        self.history = history
        self.ledger = ledger
        self.traps = traps
        self._browsers = browsers
        self._secret = secret

    def of_browser(self, request: Request, client: str | None, scheme: str, now: float) -> tuple[Evidence, ...]:
        """What is odd about somebody who names a browser.

        Args:
            request: what was asked for.
            client: the address; None where there is none, and nobody to remember.
            scheme: `https` or `http`, as the client used it.
            now: seconds that never go back.
        """
        # The whole as a dict is faster than the few that matter.
        sent = dict(request.headers)
        found = self._browsers.evidence(request, sent, scheme)
        if client is None:
            return found
        key = ClientKey.of(request, sent, client)
        found += self.history.note(request, sent, key, now)
        if not self.ledger.is_empty:
            deeds = self._deeds(request, key, ("*",), now, least=paths_to_answer_for(browser=True, tool=False))
            found = (*self._unless_shown(found, self.ledger.standing(key, now)), *deeds)
        return found

    def of_other(self, request: Request, claim: Claim, client: str, now: float) -> tuple[Evidence, ...]:
        """What somebody answers for who names no browser."""
        if self.ledger.is_empty:
            return ()
        least = paths_to_answer_for(browser=False, tool=claim.purpose is Purpose.TOOL)
        return self._deeds(request, ClientKey.of(request, {}, client), tokens_of(claim), now, least=least)

    @staticmethod
    def key_of(request: Request, claim: Claim, client: str) -> ClientKey:
        """The key of a client; the language of those who name no browser says nothing."""
        browser = claim.purpose is Purpose.BROWSER
        return ClientKey.of(request, dict(request.headers) if browser else {}, client)

    def tag_of(self, key: ClientKey) -> bytes:
        """What stands for a client in addresses that are handed to it."""
        return tag_of(key, self._secret)

    def read_robots(self, key: ClientKey, host: str, version: str, text: bytes | None, now: float) -> None:
        """A client has been served a robots.txt.

        Args:
            key: the client.
            host: the Host field.
            version: stands for the text.
            text: the file; None where it had it already.
            now: seconds that never go back.
        """
        self.ledger.served(key, host, version, None if text is None or self.ledger.knows(version) else parse(text), now)

    def trapped(self, request: Request, claim: Claim, client: str, now: float) -> bool:
        """Write down who comes to a trap; False for those who only fetch ahead, or were sent by others."""
        if self.traps is None or not claim.purposes.isdisjoint(_SENT_BY_OTHERS) or _is_prefetch(request):
            return False
        key = self.key_of(request, claim, client)
        holder = self.traps.handed_to(request.path)
        self.ledger.note(key, Deed.GUESSED_TRAP if holder is None else Deed.FOLLOWED_TRAP, now)
        if holder is not None and holder not in (self.tag_of(key), self.traps.of_nobody):
            self.ledger.accuse(holder, now)
        return True

    def _deeds(
        self, request: Request, key: ClientKey, tokens: tuple[str, ...], now: float, *, least: int
    ) -> tuple[Evidence, ...]:
        ledger = self.ledger
        if ledger.has_read(key, request.host):
            target = canonical_target(request.path, request.query)
            if any(ledger.refuses(key, request.host, token, target) for token in tokens):
                mark = int.from_bytes(blake2b(target.encode("utf-8", "surrogateescape"), digest_size=4).digest())
                ledger.broke(key, mark, least=least, now=now)
        found = ledger.evidence(key, now)
        if ledger.accuses and ledger.is_accused(self.tag_of(key), now):
            found += (_TRAP_SHARED,)
        return found

    @staticmethod
    def _unless_shown(found: tuple[Evidence, ...], standing: Standing) -> tuple[Evidence, ...]:
        """What is left once a client has loaded a style made for it, or a person pressed: no signs of headers."""
        if standing is Standing.NOTHING:
            return found
        return tuple(said for said in found if said.signal not in _OF_HEADERS)


_OF_HEADERS = frozenset(
    {
        "no-accept-language",
        "no-compression",
        "no-sec-fetch",
        "incomplete-sec-fetch",
        "no-client-hints",
        "foreign-client-hints",
        "headless-browser",
    }
)


def tokens_of(claim: Claim) -> tuple[str, ...]:
    """The product tokens by which a client has to read robots.txt."""
    return tuple(agent.token for agent in claim.agents if agent.token) or (claim.name or "*",)


def _is_prefetch(request: Request) -> bool:
    """Whether a browser fetches this before anybody asked for it."""
    return any(name in _PREFETCHES and b"prefetch" in value.lower() for name, value in request.headers)
