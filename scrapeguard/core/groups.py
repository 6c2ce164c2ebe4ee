"""Many addresses that take a site together, each a few pages: one client in disguise.

A group is what strangers have in common: the neighbourhood of their addresses, what they send, or only the site. It
is noticed when most of its newcomers open pages and take nothing that belongs to them, and hardly two open the same
page. People come in crowds too; but they fetch styles, and read what others read.
"""

from __future__ import annotations

from math import exp

MARKS = 1024
"""Places that pages are marked in: a thousand different ones mark 63 % of them (linear counting, Whang et al. 1990)."""


def marks_of(pages: int) -> int:
    """How many places so many different pages mark, on average."""
    return round(MARKS * (1 - exp(-pages / MARKS)))


_SETTLED = 3.0
"""Seconds that a newcomer is given to fetch what belongs to its page."""
_LEAST_STYLED = 0.1
_LEAST_DIFFERENT = 0.5
_PAGES = 1500
_WINDOW = 3600.0
_ROUND = 1.5
"""How many times the least number of members makes a crowd that nobody needs to wait for."""


class Group:
    """What the newcomers of a group did within the window.

    Args:
        least: how many newcomers must have come before anything is said of them.
        now: seconds that never go back.
    """

    __slots__ = (
        "_begun",
        "_least",
        "_marks",
        "_members",
        "_pages",
        "_seen",
        "_settled",
        "_shot",
        "_shot_at",
        "_styled",
        "suspect",
    )

    def __init__(self, least: int, now: float) -> None:
        self._least = least
        self.suspect = False
        """Whether its members walk the site as one."""
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._begun = self._shot_at = now
        self._members = self._styled = self._pages = self._marks = 0
        self._seen: bytearray | None = None
        # How many there were at two moments in the past, the later of them three seconds ago or less.
        self._settled = self._shot = 0

    def joined(self, now: float) -> None:
        """A newcomer opens its first page."""
        if now - self._begun > _WINDOW or self._pages > _PAGES:
            self._begin(now)
        self._members += 1
        if now - self._shot_at >= _SETTLED:
            self._settled, self._shot, self._shot_at = self._shot, self._members, now
        self._judge()

    def opened(self, mark: int) -> None:
        """A member that has taken no styles yet opens a page.

        Args:
            mark: of the page, from 0 to `MARKS` less one.
        """
        if self._members < 2:
            # One alone is no group yet; very many are never more.
            return
        if self._seen is None:
            self._seen = bytearray(MARKS // 8)
        self._pages += 1
        place, bit = mark >> 3, 1 << (mark & 7)
        if not self._seen[place] & bit:
            self._seen[place] |= bit
            self._marks += 1

    def styled(self) -> None:
        """A member has fetched a style or script for the first time."""
        self._styled += 1
        self._judge()

    def _judge(self) -> None:
        settled = self._members if self._members >= self._least * _ROUND else self._settled
        # While too few have come to say anything new of it, it stays what it was.
        if settled < self._least:
            self.suspect = self.suspect and self._styled <= self._members * _LEAST_STYLED
            return
        bare = self._styled <= settled * _LEAST_STYLED
        self.suspect = bare and self._marks >= min(self._pages, MARKS) * _LEAST_DIFFERENT
