"""Those who were there before: a guard that has seen nobody yet does not know what reading this site looks like."""

from __future__ import annotations

import httpx

from bench.arena.addresses import spread
from bench.arena.clients.identities import rotating
from bench.arena.visit import Visit

_READERS = 6
_PAGES = 4
_AN_HOUR = 3600.0
_NAVIGATION = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
_PART = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors"}
_PARTS = {"/static/site.css": "style", "/static/site.js": "script", "/favicon.ico": "image"}


def regulars(visit: Visit) -> None:
    """A few readers with all that browsers fetch, from addresses of their own, an hour before the client comes."""
    for number, address in enumerate(spread(200, per_network=1)[-_READERS:]):
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(base_url=visit.base, transport=transport, headers=rotating(number), timeout=20.0) as client:
            client.get("/")
            for path, kind in _PARTS.items():
                client.get(path, headers={**_PART, "sec-fetch-dest": kind, "referer": f"{visit.base}/"})
            for path in visit.pages[:_PAGES]:
                visit.advance(visit.dice.uniform(10.0, 60.0))
                client.get(path, headers={**_NAVIGATION, "referer": f"{visit.base}/"})
    visit.advance(_AN_HOUR)
