"""A bounded memory of recent answers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(dict[K, V | None]):
    """Remembers values by key in two generations, instead of a list in order of use.

    `recent[key]` is the value that was put under the key, or None where it is forgotten. The dict itself is the young
    generation, so that a hit costs no call; when it is full it becomes the old one, and what nobody asks for again goes
    with the next. At most twice `size` values are held.
    """

    __slots__ = ("_old", "size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self._old: dict[K, V | None] = {}

    def __len__(self) -> int:
        return super().__len__() + len(self._old)

    def __missing__(self, key: K) -> V | None:
        value = self._old.get(key)
        if value is not None:
            self.put(key, value)
        return value

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        """The value that was put under the key, else the default."""
        value = self[key]
        return default if value is None else value

    def put(self, key: K, value: V) -> None:
        """Remember a value, which must not be None."""
        if super().__len__() >= self.size:
            self._old = dict(self)
            self.clear()
        self[key] = value
