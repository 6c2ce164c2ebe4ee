"""In which order a browser writes the headers of a page it opens.

Libraries keep an order of their own, or that in which a dict was written. Proxies change it too; so it tells nothing of
a request that somebody has passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

_PASSED_ON = frozenset(
    {
        b"via",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-server",
        b"x-real-ip",
        b"x-client-ip",
        b"x-original-uri",
        b"x-envoy-external-address",
        b"x-amzn-trace-id",
        b"x-cloud-trace-context",
        b"x-varnish",
        b"cf-ray",
        b"cf-connecting-ip",
        b"true-client-ip",
        b"fastly-client-ip",
        b"cdn-loop",
    }
)
_LEAST = 4


def is_passed_on(names: Iterable[bytes]) -> bool:
    """Whether the names of the headers show that a proxy passed a request on."""
    return not _PASSED_ON.isdisjoint(names)


def in_order(names: Iterable[bytes], order: Sequence[bytes]) -> bool:
    """Whether headers come in an order; true where fewer than four of them are there.

    Args:
        names: of all headers, lower case, as they came.
        order: the names of some, as they should come.
    """
    places = {name: place for place, name in enumerate(order)}
    found = [places[name] for name in names if name in places]
    return len(found) < _LEAST or all(before < after for before, after in pairwise(found))
