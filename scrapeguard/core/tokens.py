"""Tokens that say whom an address was made for, and until when it counts."""

from __future__ import annotations

from base64 import b32decode, b32encode
from hashlib import blake2b
from hmac import compare_digest

from scrapeguard.core.clients import TAG_SIZE

LIFETIME = 3600
"""Seconds for which a token counts."""
_TIME_SIZE = 5
_MAC_SIZE = 14
_LENGTH = (TAG_SIZE + _TIME_SIZE + _MAC_SIZE) * 8 // 5


class Tokens:
    """Makes and reads tokens.

    Args:
        secret: nobody else can make them; all workers of a site share it.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret[:64]

    def issue(self, tag: bytes, now: float) -> str:
        """A token for the client of a tag.

        Args:
            tag: as `clients.tag_of` gives it.
            now: seconds since the epoch.
        """
        said = tag + int(now).to_bytes(_TIME_SIZE)
        return b32encode(said + self._mac(said)).decode().lower()

    def counts(self, token: str, tag: bytes, now: float) -> bool:
        """Whether a token was made for the client of a tag, less than `LIFETIME` ago."""
        if len(token) != _LENGTH or not token.isascii():
            return False
        try:
            octets = b32decode(token.upper())
        except ValueError:
            return False
        said, mac = octets[:-_MAC_SIZE], octets[-_MAC_SIZE:]
        if not compare_digest(mac, self._mac(said)):
            return False
        age = now - int.from_bytes(said[TAG_SIZE:])
        return said[:TAG_SIZE] == tag and -60 <= age <= LIFETIME

    def _mac(self, said: bytes) -> bytes:
        return blake2b(said, key=self._secret, digest_size=_MAC_SIZE, person=b"token").digest()
