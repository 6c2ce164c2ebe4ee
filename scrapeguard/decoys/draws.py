"""Random choices that follow from a secret: the same in every process, on every version of Python.

`random.Random` is not promised to choose alike in every version, and `hash` is salted for each process; SHAKE-256
(FIPS 202) gives as many bytes as are asked for, and the first bytes do not depend on how many that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b, shake_256
from struct import unpack
from typing import TypeVar

T = TypeVar("T")

_BLOCK = 4096


def key_of(secret: bytes, host: str) -> bytes:
    """The key of a site, 32 bytes: whoever does not know the secret cannot tell the decoys of a host beforehand."""
    name = host.encode("utf-8", "surrogatepass")
    return blake2b(name, key=blake2b(secret, digest_size=64).digest(), digest_size=32, person=b"scrapeguard").digest()


def draw(key: bytes, text: str, size: int) -> bytes:
    """That many random bytes, for a text under a key."""
    return shake_256(key + text.encode("utf-8", "surrogatepass")).digest(size)


class Draws:
    """A stream of random choices, for what is made once, at start."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._seed = key + purpose.encode()
        self._block = 0
        self._bytes = b""
        self._at = 0
        self._calls = 0

    def child(self, purpose: str) -> Draws:
        """A stream of its own, whatever else is drawn before or after."""
        return Draws(self._seed, f"/{purpose}")

    def below(self, limit: int) -> int:
        """A number from 0 to below the limit, at most 2^24; the bias of the remainder is under one in 256."""
        if self._at + 4 > len(self._bytes):
            self._bytes = shake_256(self._seed + self._block.to_bytes(4, "big")).digest(_BLOCK)
            self._block += 1
            self._at = 0
        self._at += 4
        return int.from_bytes(self._bytes[self._at - 4 : self._at], "big") % limit

    def choice(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def octets(self, number: int) -> bytes:
        """So many random octets."""
        self._calls += 1
        return shake_256(self._seed + b"octets" + self._calls.to_bytes(4, "big")).digest(number)

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """The values in another order."""
        size = len(values)
        raw = shake_256(self._seed + b"shuffle" + self.below(1 << 24).to_bytes(3, "big")).digest(4 * size)
        keys = unpack(f">{size}I", raw)
        return [values[place] for place in sorted(range(size), key=keys.__getitem__)]

    def jostled(self, values: Sequence[T], reach: int = 6) -> list[T]:
        """The values roughly in their order: none is more than that many places from its own."""
        places = sorted((place + self.below(reach), place) for place in range(len(values)))
        return [values[place] for _, place in places]

    def some(self, values: Sequence[T], share: float, at_least: int = 1) -> list[T]:
        """A share of the values, in another order."""
        wanted = max(min(at_least, len(values)), round(len(values) * share))
        return self.shuffled(values)[:wanted]

    def percent(self, chance: int) -> bool:
        """True in that many of a hundred cases."""
        return self.below(100) < chance
