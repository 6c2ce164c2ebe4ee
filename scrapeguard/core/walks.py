"""Crowds that share a site out among themselves: many clients, each a few pages, and hardly two the same.

Readers meet: they come by the same few doors and read what others read, so that of sixty pages opened by a crowd a good
part was opened before. Who divides a site among many addresses opens each page once. Neither styles nor headers tell
the two apart; this does, as far as the site has pages that are read more than others.

A crowd that is suspected is asked, not refused: newcomers of it who open pages that hardly anybody reads are
challenged, which a browser passes by itself. Where browsers do pass, the crowd was one of readers on a site where
everybody reads something else; then it takes more to be suspected there, and in the end nothing suffices.
"""

from __future__ import annotations

from scrapeguard.core.clients import Conduct
from scrapeguard.core.crowds import LONGEST, ROUND, SUSPECT_FOR, Crowd
from scrapeguard.core.recent import Recent

MAX_CROWDS = 4096
"""Crowds in mind, in each of two generations; each takes at most 900 octets, 8 MB in all. Beyond that, clients in mind
keep the crowds that they are of."""
MAX_SITES = 64
"""Hosts whose pages are in mind, in each of two generations; each takes 16,000 octets, 2 MB in all."""
VIEWS_OF_ONE = 10
"""Different pages of one client that count."""

_OF_ALL = 72
"""Pages of a round of all who come."""
_LEAST = (12, 8, 30)
"""Newcomers of one fingerprint, network and site before anything is said of them."""
_DAY = 24 * 3600.0
_SITE_PLACES = 1 << 15
_MOST_MARKS = 6000


class Walks:
    """Remembers who opens which page, crowd by crowd."""

    def __init__(self) -> None:
        self._crowds: Recent[tuple[str, object], Crowd] = Recent(MAX_CROWDS)
        self._sites: Recent[str, _Site] = Recent(MAX_SITES)
        self.alert_until = 0.0
        """Until when some crowd is suspected, perhaps."""

    def needs_not(self, conduct: Conduct, now: float) -> bool:
        """Whether it makes no difference which page a client opens next: it opened enough, and nobody is suspected."""
        return conduct.marks >= VIEWS_OF_ONE and now >= self.alert_until and not conduct.walks

    def opened(self, place: int, conduct: Conduct, now: float) -> None:
        """A client opens a page that it has not opened before.

        Args:
            place: stands for the path of the page; 0 for the front page.
            conduct: what it did before, this page included.
            now: seconds that never go back.
        """
        # Everybody comes by the front page, at some time: that two meet there tells nothing.
        if conduct.shown or not place:
            return
        site = self._site(conduct.site, now)
        if not conduct.crowds:
            conduct.crowds = self._joined(conduct, now)
        readers = site.readers(place)
        # At most sites nobody was ever suspected.
        suspects = [crowd for crowd in conduct.crowds if crowd.is_suspect(now)] if self.alert_until else []
        conduct.walks = bool(suspects) and readers < 2
        if conduct.walks:
            conduct.marked = True
            # What is not handed out has not been read, so that asking again elsewhere makes nobody a reader.
            self._ask(suspects, conduct, now)
        elif conduct.marks <= VIEWS_OF_ONE:
            site.opened(place, readers)
            self._count(place, conduct.crowds, site.length(now), now)

    def passed(self, conduct: Conduct, now: float) -> None:
        """A client has shown that it is a browser."""
        conduct.walks = False
        if not conduct.asked:
            return
        site = self._site(conduct.site, now)
        for crowd in conduct.crowds:
            if crowd.passed():
                site.wronged(now)

    def _count(self, place: int, crowds: tuple[Crowd, ...], length: int, now: float) -> None:
        *narrow, whole = crowds
        found = [crowd.opened(place, length, now) for crowd in narrow]
        if any(found):
            self.alert_until = now + SUSPECT_FOR
            # What one crowd did is not to be laid at the door of all who come.
            whole.begin(now)
        elif whole.opened(place, length * _OF_ALL // ROUND, now):
            self.alert_until = now + SUSPECT_FOR

    def _ask(self, suspects: list[Crowd], conduct: Conduct, now: float) -> None:
        self.alert_until = now + SUSPECT_FOR
        first = not conduct.asked
        conduct.asked = True
        for crowd in suspects:
            crowd.ask(now, first=first)

    def _joined(self, conduct: Conduct, now: float) -> tuple[Crowd, ...]:
        crowds = []
        for key, least in zip(conduct.in_common(), _LEAST, strict=True):
            crowd = self._crowds[key]
            if crowd is None:
                crowd = Crowd(least, now)
                self._crowds.put(key, crowd)
            crowd.joined(now)
            crowds.append(crowd)
        return tuple(crowds)

    def _site(self, host: str, now: float) -> _Site:
        site = self._sites[host]
        if site is None:
            site = _Site(now)
            self._sites.put(host, site)
        return site


class _Site:
    """Which pages of a site were opened lately, by one client or by more, and how long its rounds are."""

    __slots__ = ("_length", "_marks", "_older", "_once", "_twice", "_wronged_at")

    def __init__(self, now: float) -> None:
        self._once = bytearray(_SITE_PLACES // 8)
        self._twice = bytearray(_SITE_PLACES // 8)
        self._older: bytearray | None = None
        self._marks = 0
        self._length = ROUND
        self._wronged_at = now

    def length(self, now: float) -> int:
        """Pages of a round; the longer, the more often readers were taken for a walk within the day."""
        if self._length > ROUND and now - self._wronged_at > _DAY:
            self._length = ROUND
        return self._length

    def wronged(self, now: float) -> None:
        """A crowd that was suspected turned out to be readers."""
        self._length = min(self._length * 2, 2 * LONGEST)
        self._wronged_at = now

    def readers(self, place: int) -> int:
        """How many opened a page lately: none, one, or two and more."""
        at, bit = place % _SITE_PLACES >> 3, 1 << (place & 7)
        if self._twice[at] & bit or (self._older is not None and self._older[at] & bit):
            return 2
        return 1 if self._once[at] & bit else 0

    def opened(self, place: int, readers: int) -> None:
        """One more client opens a page, which so many had opened before."""
        at, bit = place % _SITE_PLACES >> 3, 1 << (place & 7)
        if readers:
            self._twice[at] |= bit
        else:
            self._once[at] |= bit
            self._marks += 1
            if self._marks >= _MOST_MARKS:
                self._older, self._twice = self._twice, bytearray(_SITE_PLACES // 8)
                self._once = bytearray(_SITE_PLACES // 8)
                self._marks = 0
