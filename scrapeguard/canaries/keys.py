"""Secret keys as people keep them: one a line, the present one first, and behind it those of before.

A key that is replaced stays in the file, since texts that were served under it can be tested only with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scrapeguard.canaries.derivation import check_key, commitment

MAX_KEYS = 100
_HEX = "hex:"


class Keyring(NamedTuple):
    """The present key, and those of before."""

    present: bytes
    former: tuple[bytes, ...] = ()

    @property
    def all(self) -> tuple[bytes, ...]:
        """Every key, the present one first."""
        return (self.present, *self.former)

    def by_commitment(self, wanted: str) -> bytes | None:
        """The key that a commitment, or its beginning of at least eight digits, binds to."""
        wanted = wanted.casefold()
        matching = [key for key in self.all if len(wanted) >= 8 and commitment(key).startswith(wanted)]
        return matching[0] if len(matching) == 1 else None


def read_keys(text: str, name: str) -> Keyring:
    """The keys in a text: the octets of each line, or those that hexadecimal digits behind `hex:` stand for.

    Blank lines and lines that begin with `#` are skipped.

    Args:
        text: the lines.
        name: where they are from, for messages; no message shows a key.

    Raises:
        ValueError: there is no key, too many, or one that is too short, is no hexadecimal, or stands there twice.
    """
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    keys = [_key(line, f"{name}, line {number}") for number, line in numbered if line and not line.startswith("#")]
    if not keys:
        raise ValueError(f"{name} holds no secret key; `openssl rand -hex 32` makes one")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"{name} holds more than {MAX_KEYS} keys")
    if _repeated(keys):
        raise ValueError(f"{name} holds a key twice")
    return Keyring(keys[0], tuple(keys[1:]))


def _key(line: str, place: str) -> bytes:
    try:
        key = bytes.fromhex(line[len(_HEX) :]) if line.startswith(_HEX) else line.encode()
    except ValueError:
        raise ValueError(f"{place}: behind {_HEX} stand pairs of hexadecimal digits, and nothing else") from None
    try:
        check_key(key)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    return key


def _repeated(keys: Iterable[bytes]) -> bool:
    listed = list(keys)
    return len(set(listed)) < len(listed)
