"""Traps: addresses that nobody comes to who reads pages or obeys robots.txt.

They lie under a path that follows from the secret, looks like any other, and is closed to all robots. Each address
carries whom it was handed to; so when another client comes to it, both belong together.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from hashlib import blake2b
from hmac import compare_digest

from scrapeguard.core.clients import TAG_SIZE

_SECTIONS = tuple("archive journal library collection notes gazette almanac register review bulletin".split())
_FIRST = tuple("harbour orchard valley winter granite meadow copper northern river cedar lantern quarry".split())
_SECOND = tuple("letters papers records sketches chronicle surveys minutes essays folios ledgers reports maps".split())
_MAC_SIZE = 9


class Traps:
    """The traps of one site.

    Args:
        secret: nobody else can tell or make the addresses; all workers of a site share it.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret[:64]
        dice = self._mac(b"path")
        words = (_SECTIONS[dice[0] % len(_SECTIONS)], _FIRST[dice[1] % len(_FIRST)], _SECOND[dice[2] % len(_SECOND)])
        self.prefix = f"/{words[0]}/{words[1]}-{words[2]}-{1900 + dice[3] % 100}/"
        """What all their paths begin with."""

    of_nobody = bytes(TAG_SIZE)
    """The tag for pages that others may keep and hand on."""

    def address(self, tag: bytes) -> str:
        """The path of the trap for a client.

        Args:
            tag: as `clients.tag_of` gives it.
        """
        return self.prefix + b32encode(tag + self._mac(tag)).decode().lower()

    def handed_to(self, path: str) -> bytes | None:
        """The tag of the client that was handed this path; None where it was never handed out."""
        name = path.removeprefix(self.prefix)
        if len(name) != (TAG_SIZE + _MAC_SIZE) * 8 // 5:
            return None
        try:
            octets = b32decode(name.upper())
        except ValueError:
            return None
        tag, mac = octets[:TAG_SIZE], octets[TAG_SIZE:]
        return tag if compare_digest(mac, self._mac(tag)) else None

    def _mac(self, what: bytes) -> bytes:
        return blake2b(what, key=self._secret, digest_size=_MAC_SIZE, person=b"traps").digest()
