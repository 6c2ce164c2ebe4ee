"""What a store is, whichever it is: workers hand in what is new to them, and get what others handed in since.

What is guaranteed:

- A batch that a call returned is not returned again to the same store object, as long as the data behind it stays the
  same. One that a call read and could not return (it was cancelled, or failed) comes with the next: none is skipped
  but those that ceilings or age took away.
- A body is handed in once by a call that returns. By one that fails or is cancelled it was handed in once or not at
  all; who hands it in again makes it at least once, so that batches must not harm when they come twice.
- Where the data is lost (the file removed, the server emptied) the next call goes on with what is there then.
- An object may be used in one event loop after another. In a forked process it is a worker of its own, which knows
  nothing yet: it gets all that is kept, that of its parent too.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from scrapeguard.errors import ScrapeGuardError

RETENTION = 3600.0
"""Seconds that a batch is kept."""
MAX_BATCH = 256 * 1024
"""Bytes of a body."""
MAX_KEPT = 16 * 1024 * 1024
"""Bytes kept in all; the oldest go first."""
MAX_HANDED_OUT = 8 * 1024 * 1024
"""Bytes that one exchange hands out; the rest comes with the next."""
OVERHEAD = 64
"""Bytes that a batch counts besides its body, so that the ceilings hold for many small ones too."""


class StoreError(ScrapeGuardError):
    """A store that is lost, damaged, locked or too slow; what it is and the remedy are in the message."""


class Batch(NamedTuple):
    """What another worker handed in, and when (seconds since the epoch, by the store's or that worker's clock)."""

    time: float
    body: bytes


class Store(Protocol):
    """Where the workers of a site exchange what they know. Never asked on the request path."""

    async def exchange(self, body: bytes | None) -> list[Batch]:
        """Hand in what is new here (None or nothing at all for nothing), and take what others handed in since.

        The first call gives all that is kept, in order, and none gives batches of one's own.

        Raises:
            StoreError: the store cannot be used now; the next call tries anew.
            ValueError: the body is larger than `MAX_BATCH`.
        """

    async def close(self) -> None:
        """Let go of what is open. May be called again; an exchange after it opens anew and goes on where it was."""


def weight(body: bytes) -> int:
    """Bytes that a batch counts under the ceilings."""
    return len(body) + OVERHEAD


def check_body(body: bytes | None) -> None:
    """Refuse a body that is too large.

    Raises:
        ValueError: it is.
    """
    if body is not None and len(body) > MAX_BATCH:
        raise ValueError(f"a batch of {len(body):,} bytes; at most {MAX_BATCH:,} can be handed in")
