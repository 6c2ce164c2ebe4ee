"""Who a client is to us, and what it did lately."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from scrapeguard.core.address import parse_address
from scrapeguard.core.crowds import Crowd
from scrapeguard.core.groups import MARKS, Group
from scrapeguard.core.request import Request
from scrapeguard.core.signals import Evidence

MAX_KEY = 1024
"""Octets of a client's key that are kept in mind; longer ones are rare, and strangers choose them."""
TAG_SIZE = 6
"""Octets of what stands for a client in addresses."""
MAX_ADDRESS = 45
"""Characters of an address; what is longer is none."""
_SAME_PAUSE = 0.15
"""How far a pause may be from the usual one to be the same: wider than what the network adds to the pauses of a
program, narrower than people are able to keep, whose pauses vary by a third at least."""
_DRIFT = 0.25
"""How much of the usual pause follows from the last one, since a site under load slows down a crawler too."""


Identity = tuple[str, bytes | None, bytes | None]
"""What a `ClientKey` holds, before it is one: nothing is cheaper to look a client up by."""


class ClientKey(NamedTuple):
    """What clients are told apart by: several people may share an address, and what they send differs."""

    address: str
    """The address, of IPv6 the /64."""
    user_agent: bytes | None
    language: bytes | None
    """Accept-Language."""

    @classmethod
    def of(cls, request: Request, client: str, language: bytes | None = None) -> ClientKey:
        """The key of whoever sent a request.

        Args:
            request: what was asked for.
            client: the address.
            language: Accept-Language; None for those who name no browser, of whom it says nothing.
        """
        address = client if ":" not in client else address_key(client)
        # Once for every request: past the constructor, which is written in Python, at a third of the cost.
        return tuple.__new__(cls, (address, request.user_agent, language))

    @property
    def is_kept(self) -> bool:
        """Whether it is short enough to be remembered, and its address can be one."""
        address, user_agent, language = self
        return len(address) <= MAX_ADDRESS and len(address) + len(user_agent or b"") + len(language or b"") <= MAX_KEY


def address_key(client: str) -> str:
    """What stands for a client's address: itself, of IPv6 the /64, within which people and their machines move."""
    if ":" not in client or len(client) > MAX_ADDRESS:
        return client[:MAX_ADDRESS]
    address = parse_address(client)
    if address is None or address.version == 4:
        return str(address or client)
    return f"{int(address) >> 64:x}::/64"


def network_key(address: str) -> str:
    """What stands for the neighbours of a client: the /24, of IPv6 the /48.

    Args:
        address: as `address_key` gives it.
    """
    if address.endswith("::/64"):
        return f"{address[:-9]}::/48"
    return address.rpartition(".")[0]


def tag_of(key: ClientKey, secret: bytes) -> bytes:
    """Six octets that stand for a client in addresses that are handed out; nobody else can make them."""
    parts = (key.address.encode(), key.user_agent or b"", key.language or b"")
    return blake2b(b"\x00".join(parts), key=secret[:64], digest_size=TAG_SIZE, person=b"client").digest()


class Conduct:
    """What one client did within the window.

    Args:
        key: the client.
        now: seconds that never go back.
        loads: whether what it calls itself loads styles.
        headless: whether it calls itself a browser without a window.
    """

    __slots__ = (
        "ahead",
        "asked",
        "at_once",
        "begun",
        "chain",
        "clicked",
        "clocked",
        "crowds",
        "fetches",
        "fingerprint",
        "first_style",
        "groups",
        "headless",
        "hurried",
        "judged",
        "judged_way",
        "key",
        "last",
        "loads",
        "marked",
        "marks",
        "minute",
        "misses",
        "odd",
        "page",
        "page_at",
        "pages",
        "pages_this_minute",
        "parts",
        "pause",
        "returning",
        "run",
        "seen",
        "shown",
        "site",
        "steady",
        "styles",
        "surveys",
        "typed",
        "typed_seen",
        "unwritten",
        "unwritten_of",
        "walks",
        "written",
    )

    def __init__(self, key: ClientKey, now: float, *, loads: bool = True, headless: bool = False) -> None:
        self.key = key
        self.loads = loads
        self.headless = headless
        self.begun = self.last = self.minute = self.page_at = now
        self.pages = self.pages_this_minute = 0
        self.typed = 0
        """Pages opened in a row as if their addresses had been typed."""
        self.typed_seen = 0
        """The marks of these, a bit for each."""
        self.seen = bytearray(MARKS // 8)
        """A mark for each different page."""
        self.marks = 0
        """How many these are."""
        self.odd: tuple[Evidence, ...] = ()
        """What was odd about it with its last page."""
        self.ahead = 0
        """Pages fetched before anybody asked for them."""
        self.first_style = 0
        self.judged: tuple[Evidence, ...] = ()
        self.judged_way = 0
        """What was odd about the headers of a page, and what stands for the way that led to it."""
        self.unwritten = self.unwritten_of = 0
        """How many lines the ledger had, none of them about it, when it came to the host that the second stands for."""
        self.fetches = 0
        """How often the first of its styles was fetched: as often as people come who share all else."""
        self.styles = self.parts = self.returning = self.surveys = False
        self.misses = 0
        self.pause = 0.0
        self.steady = 0
        """The usual pause between its last pages, in seconds, and how many new ones in a row came after the same."""
        self.groups: tuple[Group, ...] = ()
        self.written: tuple[Evidence, ...] = ()
        """What was odd about how its first request was written."""
        self.marked = headless
        """Whether there is anything to be said of it that one look at what it reads does not show."""
        self.page = 0
        """What stands for path and query of its last page."""
        self.run = self.chain = 0.0
        """How far it is ahead of those who read; see `haste`."""
        self.at_once = self.hurried = self.clocked = False
        """Whether it was too far ahead, in either way; and whether it clicked by the clock."""
        self.clicked = 0
        """Pages opened in a row by clicks or keys, and not by themselves."""
        self.fingerprint = 0
        """What stands for how it asked for its first page."""
        self.site = ""
        """Of which site its groups and crowds are."""
        self.crowds: tuple[Crowd, ...] = ()
        self.walks = self.asked = self.shown = False
        """Whether a crowd of it walks the site and it opens what hardly anybody reads; whether it was asked for that to
        show that it is a browser; and whether it has shown that."""

    def in_common(self, *, address: bool = False) -> tuple[tuple[str, object], ...]:
        """What it shares with others of its site: fingerprint, network, the site, and the address if asked for."""
        where, user_agent, language = self.key
        keys: tuple[tuple[str, object], ...] = (
            (self.site, (user_agent, language, self.fingerprint)),
            (self.site, network_key(where)),
            (self.site, None),
        )
        return (*keys, (self.site, where)) if address else keys

    def fetched(self, style: int) -> None:
        """It fetches a style or script, for which that stands."""
        if not self.first_style:
            self.first_style = style
        self.fetches += self.first_style == style

    def opened(self, mark: int, now: float, typed: bool) -> None:
        """It opens a page.

        Args:
            mark: of the page.
            now: seconds that never go back.
            typed: whether it comes as if its address had been typed.
        """
        pause, self.page_at = now - self.page_at, now
        place, bit = mark >> 3, 1 << (mark & 7)
        # What was opened before may be opened again by itself, or is taken for it: that tells nothing of a pace.
        if not self.seen[place] & bit:
            self.seen[place] |= bit
            self.marks += 1
            usual = self.pause
            # What it fetched before its first page was no page.
            if abs(pause - usual) <= usual * _SAME_PAUSE and self.pages:
                self.steady += 1
                self.pause = usual + (pause - usual) * _DRIFT
            else:
                self.steady, self.pause = 0, pause if self.pages else 0.0
        self.pages += 1
        if typed:
            self.typed += 1
            self.typed_seen |= 1 << mark
        elif self.typed:
            self.typed = 0
            self.typed_seen = 0
        if now - self.minute >= 60.0:
            self.minute, self.pages_this_minute = now, 0
        self.pages_this_minute += 1
