"""The maze: pages that link to pages, without end, over a finite set of addresses.

A maze page has a number; its subject follows from that number, so that whoever links to it knows its title without
writing it. An address ends in the words of the title and the number. Any other address leads to a page, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scrapeguard.decoys.articles import Subject
from scrapeguard.decoys.draws import Draws

PAGES = 4096
MOST_LINKS = 64
MOST_DEPTH = 4

_NUMBERED = re.compile(r"-(\d{5})(?:\.html?|\.php|\.aspx?)?/?$")
_FOLDER = re.compile(r"(?:/[\w.~-]{1,60}){0,8}/", re.ASCII)
PLAIN_PATH = re.compile(r"(?:/[\w.~-]{1,80}){1,8}", re.ASCII)
"""A path that can stand in a page as it is."""
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_LETTERS = str.maketrans({"ß": "ss", "ä": "ae", "ö": "oe", "ü": "ue"})


class Link(NamedTuple):
    """Where a page is, and what it is called."""

    path: str
    title: str


class Maze:
    """The addresses of a site's decoys.

    Args:
        subject_of: the subject of the page with a number.
        sections: the name of the section of each kind of article.
        prefix: under which all of them are; begins and ends with a slash.
        depth: how many folders and names an address has under the prefix, 1 to 4.
        links: how many links a page has, at most 64.
    """

    def __init__(
        self,
        subject_of: Callable[[int], Subject],
        sections: Sequence[str],
        draws: Draws,
        *,
        prefix: str,
        depth: int,
        links: int,
    ) -> None:
        if not 1 <= depth <= MOST_DEPTH:
            raise ValueError(f"a maze {depth} deep: choose 1 to {MOST_DEPTH}")
        if not 0 <= links <= MOST_LINKS:
            raise ValueError(f"{links} links on a page: choose 0 to {MOST_LINKS}")
        self._subject_of = subject_of
        self._folders = [slug_of(section) for section in sections]
        self.prefix = prefix_of(prefix)
        self._depth = depth
        self._links = links
        self._ids = [str(10_000 + number) for number in draws.shuffled(range(90_000))[:PAGES]]
        self._numbers = {identity: number for number, identity in enumerate(self._ids)}
        self._known: list[Link | None] = [None] * PAGES

    def link(self, number: int) -> Link:
        """The link to the page with a number."""
        known = self._known[number]
        if known is None:
            known = self._known[number] = self._made(number)
        return known

    def _made(self, number: int) -> Link:
        subject = self._subject_of(number)
        folders = [self._folders[subject.kind], str(subject.year), f"{subject.month + 1:02}"][: self._depth - 1]
        name = f"{slug_of(subject.title)}-{self._ids[number]}"
        return Link(f"{self.prefix}{'/'.join([*folders, name])}", subject.title)

    def number(self, path: str) -> int | None:
        """The number that an address ends in, where its name is that of the page with the number."""
        found = _NUMBERED.search(path)
        number = self._numbers.get(found[1]) if found else None
        if number is None or found is None:
            return None
        name = path[path.rfind("/", 0, found.start()) + 1 : found.end(1)]
        return number if self.link(number).path.endswith(f"/{name}") else None

    def links(self, path: str, draws: bytes) -> list[Link]:
        """The links of the page at a path: into the maze, and a quarter to siblings, in the path's own folder."""
        wanted = self._links
        numbers = [(draws[at] << 8 | draws[at + 1]) % PAGES for at in range(0, 2 * wanted, 2)]
        links = [self.link(number) for number in dict.fromkeys(numbers)]
        folder = path[: path.rfind("/") + 1]
        if folder.startswith(self.prefix) and folder != self.prefix and _FOLDER.fullmatch(folder):
            for place in range(0, len(links), 4):
                there = links[place]
                links[place] = Link(folder + there.path.rpartition("/")[2], there.title)
        return [link for link in links if link.path != path]


def prefix_of(text: str) -> str:
    """The prefix with its slashes.

    Raises:
        ValueError: it is no plain path.
    """
    prefix = f"/{text.strip('/')}/" if text.strip("/") else "/"
    if not _FOLDER.fullmatch(prefix):
        raise ValueError(f"prefix {text!r}: write a path of letters, digits, dots and dashes, such as /archive/")
    return prefix


def slug_of(title: str) -> str:
    """The words of a title in an address: at most 60 characters of a-z, 0-9 and dashes."""
    plain = unicodedata.normalize("NFKD", title.lower().translate(_LETTERS).replace("\u2019", ""))
    slug = _NOT_SLUG.sub("-", plain.encode("ascii", "ignore").decode()).strip("-")
    return slug[:60].rpartition("-")[0] if len(slug) > 60 else slug or "page"
