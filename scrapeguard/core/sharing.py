"""What AI may do with a site: uses, what is said of single paths, and the paths whose authors refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.pathtable import PathTable


class Use(StrEnum):
    """What a page may be used for, in the words of the IETF AIPREF vocabulary (draft-ietf-aipref-vocab)."""

    TRAIN = "train"
    AI_USE = "ai-use"
    SEARCH = "search"


AI_USES = (Use.TRAIN, Use.AI_USE)
"""The uses that make a client an AI's; a path that is closed to AI denies both."""

USES_OF: dict[Purpose, frozenset[Use]] = {
    Purpose.TRAINING: frozenset({Use.TRAIN}),
    Purpose.DATASET: frozenset({Use.TRAIN}),
    Purpose.UNDOCUMENTED_AI: frozenset({Use.TRAIN, Use.AI_USE}),
    Purpose.AI_SEARCH: frozenset({Use.AI_USE}),
    Purpose.ASSISTANT: frozenset({Use.AI_USE}),
    Purpose.AI_AGENT: frozenset({Use.AI_USE}),
    Purpose.SEARCH_ENGINE: frozenset({Use.SEARCH}),
}
"""To what use an agent of a purpose puts a page; the purposes left out put it to none of them."""


@dataclass(frozen=True, eq=False, slots=True)
class PathSharing:
    """What is said of the paths of one pattern, in place of what is said of the site. Compared by identity.

    `private` refuses all AI there, also agents that `agents` lets in. `noindex` asks search engines, which may read the
    pages, to leave them out of their results.
    """

    pattern: PathPattern
    sharing: Mapping[Use, bool]
    private: bool = False
    noindex: bool = False

    @property
    def rule(self) -> str:
        """What a decision that follows from this names as its rule."""
        return f"sharing.{self.pattern.text}"


def strictest_of(said: Iterable[PathSharing | None]) -> PathSharing | None:
    """Of what is said of the forms of one path, what allows the least; None where nothing is said."""
    found = [one for one in said if one is not None]
    return min(found, key=lambda one: (not one.private, sum(one.sharing.values())), default=None)


class RefusedPaths:
    """The paths whose authors refuse AI, as the app named them. Compared by identity.

    Args:
        patterns: as in robots.txt: a beginning, `*` for anything, `$` for the end.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        self._table: PathTable[bool] = PathTable((PathPattern(text), True) for text in self.patterns)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def covers(self, target: str) -> bool:
        """Whether a canonical target is one of them."""
        return self._table.find(target) is not None


NO_PATHS = RefusedPaths()
BY_AUTHOR = "sharing.author"
"""The rule of a decision that follows from what the author of a page wants."""
