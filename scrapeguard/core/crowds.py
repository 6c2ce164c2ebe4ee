"""Clients that have something in common, and whether they open each page once, as if they shared a site out."""

from __future__ import annotations

ROUND = 60
"""Pages of a crowd after which it is judged."""
LONGEST = 4 * ROUND
"""Pages of the longest round after which it still is."""
SUSPECT_FOR = 2 * 3600.0
"""Seconds for which a crowd is suspected that nobody more comes of."""

_LEAST_MET = 0.1
"""The share of pages that others of the crowd have opened before, below which it walks; with readers it is a third."""
_PLACES = 2048
_WINDOW = 6 * 3600.0
_LEAST_PASSED = 3
_STILL_ANSWERING = 3


class Crowd:
    """Clients that have something in common, and the pages that they opened in this round.

    Args:
        least: how many it takes before anything is said of them.
        now: seconds that never go back.
    """

    __slots__ = ("_asked", "_asked_at", "_begun", "_least", "_members", "_next", "_passed", "_round", "_suspect")

    def __init__(self, least: int, now: float) -> None:
        self._least = least
        self._asked_at = now
        self._members = self._asked = self._passed = 0
        self._suspect = False
        self._round: _Round | None = None
        # Rounds overlap by half, so that where one crowd follows another neither hides behind the other for long.
        self._next: _Round | None = None
        self._begun = now

    def is_suspect(self, now: float) -> bool:
        """Whether its members walk the site as one; forgotten when nobody came for long who had to be asked."""
        if self._suspect and now - self._asked_at > SUSPECT_FOR:
            self._suspect = False
            self.begin(now)
        return self._suspect

    def joined(self, now: float) -> None:
        """A newcomer opens its first page."""
        if now - self._begun > _WINDOW and not self._suspect:
            self._members = 0
            self.begin(now)
        self._members += 1

    def opened(self, place: int, length: int, now: float) -> bool:
        """A member opens a page that is new to it; True where that makes the crowd suspect.

        Args:
            place: stands for the page.
            length: pages of a round.
            now: seconds that never go back.
        """
        # One alone is no crowd; very many are never more.
        if self._members < 2:
            return False
        this = self._round
        if this is None:
            this = self._round = _Round()
        this.opened(place)
        if self._next is not None:
            self._next.opened(place)
        elif this.views * 2 >= length:
            self._next = _Round()
        if this.views < length:
            return False
        self._round, self._next, self._begun = self._next, None, now
        return self._judge(this, length, now)

    def _judge(self, done: _Round, length: int, now: float) -> bool:
        walks = done.met <= done.views * _LEAST_MET and self._members >= self._least
        if not walks or length > LONGEST or self._suspect:
            return False
        self._suspect = True
        self._asked = self._passed = 0
        self._asked_at = now
        return True

    def ask(self, now: float, *, first: bool) -> None:
        """A member is challenged, for the first time or again."""
        self._asked += first
        self._asked_at = now

    def passed(self) -> bool:
        """A member has passed; True where that shows that they are readers, who were wronged."""
        self._passed += 1
        enough = self._passed >= _LEAST_PASSED and self._passed * 3 >= (self._asked - _STILL_ANSWERING) * 2
        if not (self._suspect and enough):
            return False
        self._suspect = False
        return True

    def begin(self, now: float) -> None:
        """Begin a new round."""
        self._begun = now
        self._round = self._next = None


class _Round:
    """Pages that were opened, and how many of them had been before."""

    __slots__ = ("_seen", "met", "views")

    def __init__(self) -> None:
        self.views = self.met = 0
        self._seen = bytearray(_PLACES // 8)

    def opened(self, place: int) -> None:
        """A page is opened."""
        at, bit = place % _PLACES >> 3, 1 << (place & 7)
        self.views += 1
        self.met += bool(self._seen[at] & bit)
        self._seen[at] |= bit
