"""What a client is and does, beside what it says: its headers, its past, and what it answers for."""

from __future__ import annotations

from copy import copy
from hashlib import blake2b

from scrapeguard.core.asking import is_prefetch, opens_page
from scrapeguard.core.browserheaders import HEADER_SIGNALS, BrowserHeaders
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.clients import ClientKey, address_key, tag_of
from scrapeguard.core.history import History
from scrapeguard.core.ledger import Deed, Ledger, Standing, paths_to_answer_for
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import Request, canonical_target
from scrapeguard.core.signals import Evidence
from scrapeguard.core.traps import Traps
from scrapeguard.core.useragent import Claim

_MAX_VERSIONS = 256
_TRAP_SHARED = Evidence("trap-shared", "a trap that was handed to it was followed from another address")
_ANY_ROBOT = ("*",)
_PATHS_OF_A_BROWSER = paths_to_answer_for(browser=True, tool=False)
# They fetch what somebody else points at, and read no robots.txt for it.
_SENT_BY_OTHERS = frozenset({Purpose.LINK_PREVIEW, Purpose.FEED_READER, Purpose.MONITOR})


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
        self._versions: Recent[str, str] = Recent(_MAX_VERSIONS)

    def with_traps(self, traps: Traps | None) -> Behaviour:
        """What goes on with the same memory where the traps are these; this one stays as it is."""
        other = copy(self)
        other.traps = traps
        return other

    def come_by_proxy(self, *, proxied: bool) -> None:
        """Say whether requests come by a proxy from now on, for all that share this memory."""
        self._browsers.proxied = proxied

    def of_browser(self, request: Request, client: str | None, scheme: str, now: float) -> tuple[Evidence, ...]:
        """What is odd about somebody who names a browser.

        Args:
            request: what was asked for.
            client: the address; None where there is none, and nobody to remember.
            scheme: `https` or `http`, as the client used it.
            now: seconds that never go back.
        """
        if client is None:
            return self._browsers.evidence(request, scheme)
        address = client if ":" not in client else address_key(client)
        history = self.history
        conduct = history.conduct((address, request.user_agent, request.sent.get(b"accept-language")), now)
        found = self._browsers.of_client(request, scheme, conduct) + history.note(request, conduct, now)
        ledger = self.ledger
        lines = ledger.lines
        if not lines or (conduct.unwritten == lines and conduct.unwritten_of == hash(request.host)):
            return found
        key = conduct.key
        if not ledger.knows_of(key, history.hosts.name_of(request.host)):
            conduct.unwritten, conduct.unwritten_of = lines, hash(request.host)
            return found
        standing = ledger.standing(key, now)
        # People look at robots.txt too; and what scripts of a page fetch is not what anybody asked for.
        if standing is Standing.NOTHING and request.method == "GET" and opens_page(request.sent):
            self._note_broken(request, key, _ANY_ROBOT, now, least=_PATHS_OF_A_BROWSER)
        return self._unless_shown(found, standing) + self._deeds(key, standing, now)

    def of_other(self, request: Request, claim: Claim, client: str, now: float) -> tuple[Evidence, ...]:
        """What somebody answers for who names no browser."""
        if self.ledger.is_empty or not claim.purposes.isdisjoint(_SENT_BY_OTHERS):
            return ()
        key = ClientKey.of(request, client)
        if not self.ledger.knows_of(key, self.history.hosts.name_of(request.host)):
            return ()
        standing = self.ledger.standing(key, now)
        if standing is Standing.NOTHING and request.method in ("GET", "HEAD"):
            least = paths_to_answer_for(browser=False, tool=claim.purpose is Purpose.TOOL)
            self._note_broken(request, key, tokens_of(claim), now, least=least)
        return self._deeds(key, standing, now)

    @staticmethod
    def key_of(request: Request, claim: Claim, client: str) -> ClientKey:
        """The key of a client; the language of those who name no browser says nothing."""
        language = request.sent.get(b"accept-language") if claim.purpose is Purpose.BROWSER else None
        return ClientKey.of(request, client, language)

    def tag_of(self, key: ClientKey) -> bytes:
        """What stands for a client in addresses that are handed to it."""
        return tag_of(key, self._secret)

    def read_robots(self, key: ClientKey, host: str, tag: str, text: bytes | None, now: float) -> None:
        """A client has been served a robots.txt.

        Args:
            key: the client.
            host: the Host field.
            tag: the validator of the file.
            text: the file; None where the client had it already.
            now: seconds that never go back.
        """
        version = self._versions[tag]
        if version is None:
            if text is None:
                return
            # Strangers choose the Host, which stands in addresses and changes nothing else.
            lines = [line for line in text.splitlines() if not line.lower().startswith((b"license:", b"sitemap:"))]
            version = blake2b(b"\n".join(lines), digest_size=8).hexdigest()
            self._versions.put(tag, version)
        known = text is None or self.ledger.knows(version)
        self.ledger.served(key, self.history.hosts.name_of(host), version, None if known else text, now)

    def trapped(self, request: Request, claim: Claim, client: str, now: float) -> bool:
        """Write down who comes to a trap; False for those who only fetch ahead, or were sent by others."""
        if self.traps is None or not claim.purposes.isdisjoint(_SENT_BY_OTHERS) or is_prefetch(request.sent):
            return False
        key = self.key_of(request, claim, client)
        holder = self.traps.handed_to(request.path)
        self.ledger.note(key, Deed.GUESSED_TRAP if holder is None else Deed.FOLLOWED_TRAP, now)
        if holder is not None and holder not in (self.tag_of(key), self.traps.of_nobody):
            self.ledger.accuse(holder, now)
        return True

    def _note_broken(
        self, request: Request, key: ClientKey, tokens: tuple[str, ...], now: float, *, least: int
    ) -> None:
        """Write down who asks for what the robots.txt refuses that it read. The same path with another query is one."""
        ledger, host = self.ledger, self.history.hosts.name_of(request.host)
        if ledger.has_read(key, host):
            target = canonical_target(request.path, request.query)
            if any(ledger.refuses(key, host, token, target, now) for token in tokens):
                path = target.partition("?")[0].encode("utf-8", "surrogateescape")
                mark = int.from_bytes(blake2b(path, digest_size=4).digest())
                ledger.broke(key, mark, least=least, now=now)

    def _deeds(self, key: ClientKey, standing: Standing, now: float) -> tuple[Evidence, ...]:
        ledger = self.ledger
        found = ledger.evidence(key, now)
        if ledger.accuses and standing is Standing.NOTHING and ledger.is_accused(self.tag_of(key), now):
            found += (_TRAP_SHARED,)
        return found

    @staticmethod
    def _unless_shown(found: tuple[Evidence, ...], standing: Standing) -> tuple[Evidence, ...]:
        """What is left once a client has loaded a style made for it, or a person pressed.

        That it is a browser is shown then, whatever its headers lack and whatever it has in its cache.
        """
        if standing is Standing.NOTHING:
            return found
        return tuple(said for said in found if said.signal not in _EXPLAINED)


_EXPLAINED = HEADER_SIGNALS | frozenset(
    {
        "headless-browser",
        "no-styles",
        "nothing-but-pages",
        "many-addresses",
        "walks-together",
        "pages-at-once",
        "many-pages-a-minute",
        "many-pages-an-hour",
    }
)


def tokens_of(claim: Claim) -> tuple[str, ...]:
    """The product tokens by which a client has to read robots.txt."""
    return tuple(agent.token for agent in claim.agents if agent.token) or (claim.name or "*",)
