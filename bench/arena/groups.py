"""What kinds of clients there are, and what each is to get."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Target(NamedTuple):
    """What may come of a client at most; None where nothing is set.

    Args:
        share: of the pages of the site.
        pages: of the site.
        refused: requests.
    """

    share: float | None = None
    pages: int | None = None
    refused: int | None = None

    def __str__(self) -> str:
        if self.share is not None:
            return f"<= {self.share:.0%} of the site"
        if self.pages is not None:
            return f"<= {self.pages} pages" if self.pages else "no page"
        return "none refused" if self.refused is not None else "no target"


class Group(Enum):
    """A kind of client: its heading, and its target."""

    TOOL = "Scrapers under their own name", Target()
    SPOOFED = "Scrapers in the name of a browser", Target(share=0.03)
    SPREAD_50 = "The same, over 50 addresses", Target(share=0.20)
    SPREAD_500 = "The same, over 500 addresses", Target(share=0.60)
    BROWSER = "Crawlers that are browsers", Target(share=0.06)
    AI = "AI agents in their own name", Target(pages=0)
    FALSE_ENGINE = "False search engines", Target(pages=5)
    PERSON = "People", Target(refused=0)
    MACHINE = "Good machines", Target(refused=0)

    @property
    def heading(self) -> str:
        """In words."""
        return self.value[0]

    @property
    def target(self) -> Target:
        """What may come of it."""
        return self.value[1]
