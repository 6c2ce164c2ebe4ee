"""How a page is asked for: by a click, by a typed address, ahead of time, or by somebody who was there before."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from scrapeguard.core.clients import Conduct

_TELLING = (b"accept", b"accept-encoding", b"sec-ch-ua", b"sec-fetch-site")
_PREFETCHES = (b"sec-purpose", b"purpose", b"x-moz")
_MOST_AHEAD = 10
_AHEAD_OF_A_PAGE = 10


def opens_page(sent: Mapping[bytes, bytes]) -> bool:
    """Whether a page is opened, and not fetched by a script: where nothing says so, all browsers ask for HTML then.

    No browser sends Sec-Fetch-Mode without its companions, so what does is no script of a page either.
    """
    mode = sent.get(b"sec-fetch-mode")
    if mode is None:
        return b"text/html" in sent.get(b"accept", b"")
    return mode == b"navigate" or b"sec-fetch-site" not in sent or b"sec-fetch-dest" not in sent


def is_clicked(sent: Mapping[bytes, bytes]) -> bool:
    """Whether a page is opened by somebody who clicks or presses a key (Fetch Metadata §2.4)."""
    return sent.get(b"sec-fetch-user") == b"?1"


def is_prefetch(sent: Mapping[bytes, bytes]) -> bool:
    """Whether a browser says that it fetches this before anybody asked for it."""
    if b"sec-purpose" not in sent and b"purpose" not in sent and b"x-moz" not in sent:
        return False
    return any(b"prefetch" in sent.get(name, b"").lower() for name in _PREFETCHES)


def is_ahead(conduct: Conduct) -> bool:
    """Whether a page is fetched before anybody asked for it; more than a browser could ever need are pages."""
    if conduct.ahead > _MOST_AHEAD + _AHEAD_OF_A_PAGE * conduct.pages:
        return False
    conduct.ahead += 1
    return True


def comes_back(sent: Mapping[bytes, bytes], conduct: Conduct) -> bool:
    """Whether a client shows that it was here before: it asks for what has changed, or brings a cookie at once."""
    if b"if-none-match" in sent or b"if-modified-since" in sent:
        return True
    return b"cookie" in sent and not conduct.pages and not conduct.parts and not conduct.styles


def is_typed(sent: Mapping[bytes, bytes], target: bytes, conduct: Conduct) -> bool:
    """Whether a page is opened as if its address had been typed, or by itself: nobody follows a link to where it is."""
    referrer = sent.get(b"referer")
    site = sent.get(b"sec-fetch-site")
    # Where nobody led there, a referrer is only said: no browser sends both, unless a program tells it to.
    if site == b"none":
        return True
    if referrer is None:
        # Sites and people turn the referrer off; where nothing else tells, styles speak for a reader.
        return site is None and not conduct.styles
    return referrer.endswith(target) and referrer.partition(b"//")[2].partition(b"/")[2] == target[1:]


def fingerprint(sent: Mapping[bytes, bytes]) -> int:
    """What stands for how a client asks: its headers, their order, what it accepts and what led it here."""
    return crc32(b"\n".join((*sent, *(sent.get(name, b"") for name in _TELLING))))
