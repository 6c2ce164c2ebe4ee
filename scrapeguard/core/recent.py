"""A bounded memory of recent answers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Remembers values by key in two generations, instead of a list in order of use.

    A hit costs one dict lookup, and forgetting is one assignment: when the young generation is full it becomes the old
    one, and what nobody asks for again goes with the next. At most twice `size` values are held.
    """

    __slots__ = ("_old", "_young", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value that was put under the key, or None where it is forgotten."""
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember a value, which must not be None."""
        if len(self._young) >= self.size:
            self._old, self._young = self._young, {}
        self._young[key] = value
