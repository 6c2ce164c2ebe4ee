"""Pages that come faster than anybody reads, from one client.

Two leaky buckets, which a page fills and time drains. The one is for pages with nothing in between: a browser asks for
what belongs to a page before it opens a dozen more. The other is for clicks: each page opened by a link of the page
before, within the time that it takes to see a page and find a link. Who opens many pages at once, in tabs or by
restoring a session, fills neither; nor do many people behind one address, whose clicks cross.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from scrapeguard.core.clients import Conduct
from scrapeguard.core.groups import MARKS

PAGES_AT_ONCE = 11.0
"""Pages by links with nothing in between, beyond 2.5 a second; half of each that came by no link of the visit."""
CLICKS_AT_ONCE = 20.0
"""Clicks in a row, beyond one in 1.5 seconds."""
_DRAINED = 2.5
_CLICK = 1.5
_UNHURRIED = 10.0
"""Seconds after which nothing that matters is left of what came before."""
_PART = 2.0
_BY_NO_LINK = 0.5


def bursts(client: Conduct) -> bool:
    """Whether pages came at once, and nothing between them.

    People who share all but a browser fetch the first style once each. Who has been here before has much in its cache.
    """
    most = PAGES_AT_ONCE * max(client.fetches, 1)
    return client.run > (2 * most if client.returning else most)


def hurries(client: Conduct) -> bool:
    """Whether page after page was left by a link before anybody could have looked at it."""
    return client.chain > CLICKS_AT_ONCE


def note_page(client: Conduct, sent: Mapping[bytes, bytes], place: int, now: float) -> None:
    """A client opens a page; to be called before that is written down.

    Args:
        client: what it did before.
        sent: the headers by name.
        place: stands for path and query of the page.
        now: seconds that never go back.
    """
    gap = now - client.page_at
    if gap >= _UNHURRIED:
        client.run, client.chain, client.page = 1.0, 0.0, place
        return
    client.run = max(client.run - gap * _DRAINED, 0.0)
    client.chain = max(client.chain - gap / _CLICK, 0.0)
    source = _source(sent)
    client.run += 1.0 if source is not None and _has_seen(client, source) else _BY_NO_LINK
    # A page that leads to itself is loaded again by itself, and so are frames.
    is_click = source == client.page and source != place and sent.get(b"sec-fetch-dest", b"document") == b"document"
    if is_click and not _has_seen(client, place):
        client.chain += 1.0
    client.page = place


def note_part(client: Conduct) -> None:
    """A client fetches something that belongs to a page."""
    if client.run:
        client.run = max(client.run - _PART, 0.0)


def _source(sent: Mapping[bytes, bytes]) -> int | None:
    """What stands for the page that led here; None where nothing says."""
    referrer = sent.get(b"referer")
    return None if referrer is None else crc32(b"/" + referrer.partition(b"//")[2].partition(b"/")[2])


def _has_seen(client: Conduct, place: int) -> bool:
    mark = place % MARKS
    return bool(client.seen[mark >> 3] & 1 << (mark & 7))
