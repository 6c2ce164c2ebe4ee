"""What a rule file says of sharing, for a site and for single paths."""

from __future__ import annotations

from typing import ClassVar

from scrapeguard.core.glob import Glob, PathPattern
from scrapeguard.rulefile.kinds import (
    Field,
    MapOf,
    Problems,
    Record,
    Schema,
    Word,
)
from scrapeguard.rulefile.tree import Mapping, Node
from scrapeguard.rulefile.values import PATH, PERMISSION, SWITCH

USES = {
    "train": Field(PERMISSION, "training of models"),
    "ai-use": Field(PERMISSION, "answers built on the pages"),
    "search": Field(PERMISSION, "search engines"),
}


class SharingOfPath:
    """What is said of the pages under a path: a word for all that AI does, or a mapping that says more."""

    _words: ClassVar[dict[str, dict[str, bool]]] = {
        "allow": {"train": True, "ai-use": True},
        "deny": {"train": False, "ai-use": False},
        "private": {"private": True},
    }
    _word = Word(_words, "a mapping or one word")
    _record = Record(
        {
            **USES,
            "private": Field(SWITCH, "refuse all AI, also agents that `agents` lets in"),
            "noindex": Field(SWITCH, "ask search engines to leave the pages out of their results"),
        }
    )

    def read(self, node: Node, problems: Problems) -> dict[str, bool] | None:
        if not isinstance(node, Mapping):
            return self._word.read(node, problems)
        if not node.entries:
            problems.add(node.place, "expected allow, deny, private, or a mapping that says something, found nothing")
            return None
        values = self._record.read(node, problems)
        opened = [key for key in ("train", "ai-use") if values and values.get("private") and values.get(key)]
        if opened:
            problems.add(
                node.entries[opened[0]].place, f"`private` refuses all AI; `{opened[0]}: allow` contradicts it"
            )
        return values

    def schema(self) -> Schema:
        return {"anyOf": [self._word.schema(), self._record.schema()]}


class PathsShared:
    """What is said of paths, by their patterns, of which no two may mean the same."""

    _map = MapOf(PATH, SharingOfPath(), "^/")

    def read(self, node: Node, problems: Problems) -> dict[str, dict[str, bool]] | None:
        read = self._map.read(node, problems)
        first: dict[Glob, str] = {}
        for text in read or ():
            other = first.setdefault(PathPattern(text).glob, text)
            if other != text and isinstance(node, Mapping):
                problems.add(node.entries[text].place, f"`{text}` means the same as `{other}`; keep one")
        return read

    def schema(self) -> Schema:
        return self._map.schema()


SHARING = Record(
    {
        **USES,
        "paths": Field(PathsShared(), "what is said of single paths; the longest pattern that matches counts"),
    }
)
