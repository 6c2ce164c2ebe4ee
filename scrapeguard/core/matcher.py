"""Finding the names of agents in a User-Agent: an index over words, asked once for each word of the text.

Rules of this file:

- A name is a run of words joined by space, hyphen, dot, underscore or apostrophe. `Claude-Web` stands in
  `claude web/1.0`, never in `claudeweb` or `claude; web`; so short names cannot hide inside device models.
- A name is filed under its longest word, the one that the fewest other texts have: `Mozilla-Tabstack` under `tabstack`.
  A text with none of these words, as nearly every browser's, is done after one set operation.
- The longest name wins: `Applebot-Extended` is not `Applebot`, even where only the shorter one may be matched.
- URLs and e-mail addresses are blanked before the search, and `like X` compares itself to X without being it.

Every step is linear in the length of the text, which the caller bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from scrapeguard.core.catalogue import Agent
from scrapeguard.errors import CatalogueError

_WORD = re.compile(r"[a-z0-9\x80-\xff]+")
_WORD_OR_GAP = re.compile(r"[a-z0-9\x80-\xff]+|[^a-z0-9\x80-\xff]+")
_JOINTS = frozenset({" ", "-", "_", ".", "'", "!", "! "})
_PARTING = r"\s()<>\[\]{},;\"'"
# What begins with no fixed word is tried only where an atom begins, and gives nothing back: linear.
_ADDRESS = re.compile(
    rf"""(?:
        \+?(?:https?|ftp)://
      | (?<![^{_PARTING}])(?:
            \+?www\.
          | \+?(?:mailto:)?[a-z0-9._%+-]++@[a-z]
          | [a-z0-9-]++(?:\.[a-z0-9-]++)++/(?![0-9v])  # host/path without a scheme, not Name.js/1.0
        )
    )[^{_PARTING}]*+""",
    re.VERBOSE,
)
_CONTACT = re.compile(r"\+https?://([a-z0-9.-]+)")


def _word_octet(octet: int) -> int:
    """The octet as it counts in a word: letters in lower case, all that parts words as a blank."""
    lowered = chr(octet).lower() if octet < 0x80 else chr(octet)
    return ord(lowered) if _WORD.fullmatch(lowered) else 0x20


_WORD_TABLE = bytes(map(_word_octet, range(256)))


def words_of(user_agent: bytes) -> list[str]:
    """The words of a User-Agent, in lower case; the same that `find` sees, at a third of the cost."""
    return user_agent.translate(_WORD_TABLE).decode("latin-1").split()


class Named(NamedTuple):
    """An agent found in a text, and whether the text begins with its name."""

    agent: Agent
    leads: bool


class _Name(NamedTuple):
    words: tuple[str, ...]
    anchor: int
    needs_version: bool
    agent: Agent


class AgentMatcher:
    """Finds every agent named in a User-Agent.

    Raises:
        CatalogueError: a name without a word in it, or one that two agents share.
    """

    def __init__(self, agents: Iterable[Agent]) -> None:
        index: dict[str, list[_Name]] = {}
        for name in _names(agents):
            index.setdefault(name.words[name.anchor], []).append(name)
        self._index = {anchor: tuple(names) for anchor, names in index.items()}
        self._anchors = frozenset(self._index)

    def may_find(self, words: Iterable[str]) -> bool:
        """Whether a name could be among these words: the cheap test that spares browsers the search."""
        return not self._anchors.isdisjoint(words)

    def find(self, text: str) -> list[Named]:
        """Every agent named in a lower-case text without addresses (see `without_addresses`), in its order.

        Control tokens take part, so that the longest name wins, and are left out of the result.
        """
        pieces = _WORD_OR_GAP.findall(text)
        candidates: list[tuple[int, int, _Name]] = []
        for position in [at for at, piece in enumerate(pieces) if piece in self._anchors]:
            for name in self._index[pieces[position]]:
                first = position - 2 * name.anchor
                if _stands_at(name, first, pieces):
                    candidates.append((first, -len(name.words), name))
        candidates.sort(key=_place_then_length)
        found: list[Named] = []
        free_from = 0
        for first, negative_length, name in candidates:
            if first < free_from:
                continue
            free_from = first - 2 * negative_length
            if not name.agent.control and not _is_comparison(pieces, first):
                found.append(Named(name.agent, leads=first <= 1))
        return found


def _names(agents: Iterable[Agent]) -> Iterable[_Name]:
    owners: dict[tuple[tuple[str, ...], bool], str] = {}
    for agent in agents:
        for name in (agent.name,) if agent.control else agent.match:
            words = tuple(_WORD.findall(name.lower()))
            if not words:
                raise CatalogueError(f"{agent.name}: nothing to match in {name!r}")
            owner = owners.setdefault((words, name.endswith("/")), agent.name)
            if owner != agent.name:
                raise CatalogueError(f"{agent.name}: {name!r} is matched by {owner} already")
            anchor = max(range(len(words)), key=lambda position: len(words[position]))
            yield _Name(words, anchor, name.endswith("/"), agent)


def _stands_at(name: _Name, first: int, pieces: list[str]) -> bool:
    """Whether the words of the name and the joints between them are the pieces from `first` on."""
    end = first + 2 * len(name.words) - 1
    if first < 0 or tuple(pieces[first:end:2]) != name.words or not _JOINTS.issuperset(pieces[first + 1 : end : 2]):
        return False
    return not name.needs_version or (end < len(pieces) and pieces[end].startswith("/"))


def _is_comparison(pieces: list[str], first: int) -> bool:
    return first >= 2 and pieces[first - 2 : first] == ["like", " "]


def _place_then_length(candidate: tuple[int, int, _Name]) -> tuple[int, int]:
    return candidate[:2]


def without_addresses(text: str) -> str:
    """The lower-case text with every URL, `host/path` and e-mail address replaced by what joins no words."""
    return _ADDRESS.sub(_blank, text) if "/" in text or "@" in text else text


def _blank(match: re.Match[str]) -> str:
    return ";" * (match.end() - match.start())


def contact_hosts(text: str) -> list[str]:
    """Hosts of the contact URLs (`+https://host/…`) that bots give by convention, in a lower-case text."""
    return [match.group(1) for match in _CONTACT.finditer(text)]
