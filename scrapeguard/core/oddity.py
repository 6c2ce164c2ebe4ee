"""What is odd about the way in which a client reads, by what it did within the hour."""

from __future__ import annotations

from collections.abc import Iterator

from scrapeguard.core.clients import Conduct
from scrapeguard.core.groups import marks_of
from scrapeguard.core.signals import Evidence

_PAGES_WITHOUT_STYLES = 3
_PAGES_OF_ONE_WHO_RETURNS = 12
_TIME_FOR_STYLES = 3.0
_PAGES_AT_ONCE = 14
_NOTHING_BUT_PAGES = 8
_PAGES_TYPED = 5
_DIFFERENT_TYPED = 25
_PAGES_A_MINUTE = 60
_PAGES_AN_HOUR = 100
_WHOLE_SITE = 200
_PAGES_OF_ONE = 100
_MARKS_OF_AN_HOUR = marks_of(_PAGES_AN_HOUR)
_MARKS_OF_WHOLE_SITE = marks_of(_WHOLE_SITE)
_PAGES_WITHOUT_WINDOW = 15
_STEADY_PAUSES = 11
_STEADY_CLICKS = 19
_SHORTEST_PAUSE = 0.25
_MISSES = 10

_NO_STYLES = Evidence("no-styles", "three pages or more, and no style or script of the site with them")
_NOTHING_ELSE = Evidence("nothing-but-pages", "eight pages or more, and nothing at all that belongs to them")
_ALWAYS_TYPED = Evidence("always-typed", "five pages or more in a row, each as if its address had been typed")
_NEVER_A_LINK = Evidence("never-follows-links", "25 different pages or more in a row, and none of them by a link")
_FAST = Evidence("many-pages-a-minute", "sixty pages or more within a minute, and no style or script with them")
_BROAD = Evidence("many-pages-an-hour", "a hundred different pages or more within an hour, and no style or script")
_WHOLE = Evidence("whole-site", "two hundred different pages or more within an hour")
_STEADY = Evidence("steady-pace", "a dozen new pages in a row or more, with the same pause in between")
_CLICKING = Evidence("steady-clicks", "twenty new pages in a row or more, clicked on with the same pause in between")
_MISSED = Evidence("many-misses", "ten pages or more that are not there, half of all it asked for")
_SURVEYED = Evidence(
    "surveys-site", "opens pages, and reads robots.txt or a sitemap or asks by HEAD, which browsers do not"
)
_HEADLESS = Evidence(
    "headless-reads-on", "fifteen different pages or more within an hour, and no window to see them in"
)
_CROWD = Evidence("many-addresses", "takes pages alone, as many others do that have something in common with it")

_TOGETHER = Evidence("walks-together", "opens what hardly anybody reads, as others of its kind do, each page once")
_AT_ONCE = Evidence("pages-at-once", "a dozen pages or more at once, and nothing of theirs in between")
_HURRIED = Evidence("hurried-clicks", "twenty pages or more, each left by a link before anybody could have seen it")

_BARE = frozenset({_NO_STYLES, _NOTHING_ELSE, _FAST, _BROAD, _CROWD})


def is_plain(client: Conduct) -> bool:
    """Whether nothing can be odd about a client, as with nearly all: the quick look before the thorough one."""
    marks = client.marks
    if client.marked or client.typed >= _PAGES_TYPED or client.misses >= _MISSES or marks >= _MARKS_OF_WHOLE_SITE:
        return False
    if client.styles:
        return client.steady < _STEADY_PAUSES
    return client.pages < _PAGES_WITHOUT_STYLES and not any(group.suspect for group in client.groups)


def clicks_by_clock(client: Conduct) -> bool:
    """Whether a client clicks on with the same pause for long. What shows pages in turn opens them by itself."""
    return min(client.steady, client.clicked) >= _STEADY_CLICKS and client.pause >= _SHORTEST_PAUSE


def odd(client: Conduct, now: float, *, has_styles: bool) -> tuple[Evidence, ...]:
    """What is odd about the way in which a client reads.

    Args:
        client: what it did.
        now: seconds that never go back.
        has_styles: whether it could have fetched styles where it opened its last page.
    """
    found = list(client.written)
    if client.typed >= _PAGES_TYPED:
        found.append(_ALWAYS_TYPED)
        if client.typed_seen.bit_count() >= _DIFFERENT_TYPED:
            found.append(_NEVER_A_LINK)
    # Many who share an address each fetch the styles once.
    if client.marks >= _MARKS_OF_WHOLE_SITE and client.pages >= _PAGES_OF_ONE * max(client.fetches, 1):
        found.append(_WHOLE)
    found += _like_a_machine(client)
    # Who fetches styles reads as much as it likes; a browser for text fetches none.
    bare = [] if client.styles or not client.loads or not has_styles else _bare(client, now)
    return (*found, *_once(client, bare))


def _like_a_machine(client: Conduct) -> Iterator[Evidence]:
    """What is odd about a client whatever it fetches."""
    if client.misses >= _MISSES and client.misses * 2 >= client.pages:
        yield _MISSED
    if client.surveys:
        yield _SURVEYED
    if client.headless and client.marks >= _PAGES_WITHOUT_WINDOW:
        yield _HEADLESS
    if client.hurried:
        yield _HURRIED
    if client.clocked:
        yield _CLICKING
    elif client.steady >= _STEADY_PAUSES and client.pause >= _SHORTEST_PAUSE:
        yield _STEADY


def _once(client: Conduct, bare: list[Evidence]) -> list[Evidence]:
    """What a browser explains by passing one challenge, which is held against nobody twice."""
    if client.walks and _CROWD not in bare:
        return [_TOGETHER]
    return [_AT_ONCE] if client.at_once and not bare else bare


def _bare(client: Conduct, now: float) -> list[Evidence]:
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


def without_bare(found: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """What is left of the signs once a client has fetched a style."""
    return tuple(said for said in found if said not in _BARE)
