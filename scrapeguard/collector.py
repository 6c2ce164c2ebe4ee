"""The garbage collector of a process that does nothing but serve."""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 10_000, 20, 100
"""New objects, and rounds of the younger generation, before a generation is looked through."""


def relax_collector() -> None:
    """Let the collector look seldom at what lives, and never at what is there already.

    A full round walks over all clients that are remembered, tens of thousands, while every request waits; by default
    that takes a tenth of the time of a proxied page. To be called once, when all is built, and only by processes of our
    own: under somebody else's app the collector is theirs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
