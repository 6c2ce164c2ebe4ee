"""What follows from the secret key: candidates, the one that is served, and the commitment to publish beforehand.

All is HMAC-SHA256 under the key, over fields joined by one NUL octet: the version, a kind, host, agent and epoch, and
behind a kind of `seed` the number of the candidate as four octets, big-endian.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from hashlib import sha256

CANDIDATES = 1024
"""Texts of which one is served; one in so many is the smallest p-value that a single canary can give."""
MAX_CANDIDATES = 65_536
MIN_KEY = 16
"""Octets that a key has at least."""

_VERSION = b"scrapeguard/canary/v1"
_COMMIT = b"scrapeguard/commit/v1"


def derive(key: bytes, kind: bytes, *fields: str) -> bytes:
    """32 octets that nobody can tell without the key."""
    return hmac.digest(key, b"\0".join((_VERSION, kind, *(field.encode() for field in fields))), "sha256")


def served_index(key: bytes, host: str, agent: str, epoch: str, count: int = CANDIDATES) -> int:
    """Which of the candidates is served: 0 to count - 1, each as likely as the other.

    Raises:
        ValueError: the count is no power of two, so that some would be likelier than others.
    """
    check_count(count)
    return int.from_bytes(derive(key, b"pick", host, agent, epoch)[:4], "big") % count


def seed(key: bytes, host: str, agent: str, epoch: str, index: int) -> bytes:
    """The seed of a candidate, 32 octets."""
    message = b"\0".join((_VERSION, b"seed", host.encode(), agent.encode(), epoch.encode(), index.to_bytes(4, "big")))
    return hmac.digest(key, message, "sha256")


def commitment(key: bytes) -> str:
    """What to publish before the first page is served: it binds to the key and does not tell it."""
    return sha256(_COMMIT + b"\0" + key).hexdigest()


def epoch_of(seconds: float) -> str:
    """The epoch of a time since 1970: its month in UTC, as `2026-11`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m")


def check_count(count: int) -> None:
    """See that a number of candidates can be drawn from evenly.

    Raises:
        ValueError: it is no power of two, or too large.
    """
    if not 2 <= count <= MAX_CANDIDATES or count & (count - 1):
        raise ValueError(f"the number of candidates is a power of two from 2 to {MAX_CANDIDATES:,}, not {count:,}")


def check_key(key: bytes) -> None:
    """See that a key is long enough.

    Raises:
        ValueError: it can be guessed.
    """
    if len(key) < MIN_KEY:
        raise ValueError(
            f"a secret key has at least {MIN_KEY} octets, not {len(key)}; `openssl rand -hex 32` makes one"
        )
