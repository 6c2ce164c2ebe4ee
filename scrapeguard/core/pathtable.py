"""Finding what is filed under path patterns, without trying them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from scrapeguard.core.glob import PathPattern

T = TypeVar("T")


class PrefixIndex(Generic[T]):
    """Values filed under the beginning of a text.

    A look-up costs one dict access for each distinct length of a beginning, not for each beginning.
    """

    def __init__(self, filed: Iterable[tuple[str, T]] = ()) -> None:
        self._filed: dict[str, list[T]] = {}
        for prefix, value in filed:
            self._filed.setdefault(prefix, []).append(value)
        self._lengths = sorted({len(prefix) for prefix in self._filed})

    def __bool__(self) -> bool:
        return bool(self._filed)

    def found(self, text: str) -> Iterator[T]:
        """The values under every beginning of the text, those of the shorter ones first."""
        for length in self._lengths:
            if length > len(text):
                return
            yield from self._filed.get(text[:length], ())


class PathTable(Generic[T]):
    """Values by path pattern; where several patterns match, the longest counts, and of two as long the earlier."""

    def __init__(self, entries: Iterable[tuple[PathPattern, T]] = ()) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: -len(entry[0].text)))
        """In order of precedence."""
        self._index = PrefixIndex((pattern.glob.prefix, position) for position, (pattern, _) in enumerate(self.entries))

    def __bool__(self) -> bool:
        return bool(self.entries)

    def find(self, target: str) -> T | None:
        """What counts for a canonical target (see `core.request.canonical_target`); None where no pattern matches."""
        for position in sorted(self._index.found(target)):
            pattern, value = self.entries[position]
            if pattern.matches(target):
                return value
        return None
