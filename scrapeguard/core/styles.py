"""Whether who opens the pages of a site could fetch styles and scripts there too."""

from __future__ import annotations

from collections.abc import Callable

from scrapeguard.core.acts import NOBODY, Act, What
from scrapeguard.core.recent import Recent
from scrapeguard.core.request import MAX_HOST

_MAX_SITES = 1024
_MAX_LOOKS = 50
_WRONGED = 3
_FETCHED_FOR_EACH = 5
_STYLE_TYPES = (b"text/css", b"text/javascript", b"application/javascript")

Tell = Callable[[Act, float], object]
"""Takes what happened here, for other workers."""


class Styles:
    """What is known of the styles of sites."""

    def __init__(self) -> None:
        self._sites: Recent[str, _Site] = Recent(_MAX_SITES)
        self.are_anywhere = False
        """Whether any host of the site has some."""
        self.tell: Tell | None = None

    def are_at(self, host: str) -> bool:
        """Whether who opens pages could have fetched styles here.

        The site has served some, or its pages link to some. They may be kept or served by somebody who stands in front;
        so where browsers that took none turn out to load what is made for them, and hardly any fetch what there is,
        that proves nothing any more.
        """
        site = self._sites[host]
        if site is None or not (site.serves or site.links):
            return False
        return site.wronged < _WRONGED + site.fetched // _FETCHED_FOR_EACH

    def are_curious(self, host: str) -> bool:
        """Whether the site of this host has not answered with a style yet."""
        site = self._sites[host]
        return len(host) <= MAX_HOST and (site is None or not site.serves)

    def have_been_looked_for(self, host: str) -> bool:
        """Whether a page of this host was looked through for them."""
        site = self._sites[host]
        return site is not None and site.looks > 0

    def look_for_links(self, host: str) -> bool:
        """Whether it is worth a look which styles a page of this host links to."""
        site = self._sites[host]
        return site is None or not (site.links or site.serves or site.looks >= _MAX_LOOKS)

    @staticmethod
    def are(media_type: bytes) -> bool:
        """Whether an answer of this kind is a style or script."""
        return media_type.startswith(_STYLE_TYPES)

    def served(self, host: str, now: float) -> None:
        """The site itself has answered with a style or script: who takes none now could have had some."""
        site = self._site(host)
        if not site.serves:
            site.serves = self.are_anywhere = True
            self._told(What.STYLED_SITE, host, now)

    def looked(self, host: str, *, found: bool, now: float) -> None:
        """A page of the site was looked through for links to styles and scripts of its own."""
        site = self._site(host)
        site.looks += 1
        if found and not site.links:
            site.links = self.are_anywhere = True
            self._told(What.LINKED_STYLES, host, now)

    def fetched(self, host: str, *, first: bool) -> None:
        """A client asks for a style or script of this site, for the first time perhaps."""
        if first and (site := self._sites[host]) is not None:
            site.fetched += 1

    def wronged(self, host: str) -> None:
        """A browser that took no styles of this site has loaded one that was made for it."""
        self._site(host).wronged += 1

    def heard(self, act: Act) -> None:
        """What another worker has seen."""
        if act.what is What.STYLED_SITE:
            self._site(act.host).serves = True
        else:
            self._site(act.host).links = True

    def _told(self, what: What, host: str, now: float) -> None:
        if self.tell is not None:
            self.tell(Act(what, NOBODY, host), now)

    def _site(self, host: str) -> _Site:
        site = self._sites[host]
        if site is None:
            site = _Site()
            self._sites.put(host, site)
        return site


class _Site:
    """What is known of the styles of a site."""

    __slots__ = ("fetched", "links", "looks", "serves", "wronged")

    def __init__(self) -> None:
        self.serves = self.links = False
        self.looks = self.wronged = self.fetched = 0
