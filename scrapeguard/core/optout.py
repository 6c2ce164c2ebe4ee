"""Saying no beside robots.txt: response headers, statements in its groups, and the TDM reservation file.

All of it follows from what the site shares. The vocabularies differ and are not translated word by word: each use has
its label in each of them, in the tables below.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from scrapeguard.core.policy import SitePolicy, Use
from scrapeguard.core.request import Headers
from scrapeguard.core.robotsmerge import SILENT, Statements

# draft-ietf-aipref-vocab-08 §4; a label that is absent states no preference.
_CONTENT_USAGE = {Use.TRAIN: "train-ai", Use.AI_USE: "ai-use", Use.SEARCH: "search"}
# contentsignals.org.
_CONTENT_SIGNAL = {Use.SEARCH: "search", Use.AI_USE: "ai-input", Use.TRAIN: "ai-train"}


class Announcement(NamedTuple):
    """What a site says no with: headers for every response, lines for robots.txt, and its TDM reservation or None."""

    headers: Headers = ()
    statements: Statements = SILENT
    tdm_reservation: bytes | None = None


def announcement(site: SitePolicy) -> Announcement:
    """What follows from the sharing of a site, less the signals that its owner turned off."""
    signals = site.opt_out
    trains, uses = site.sharing[Use.TRAIN], site.sharing[Use.AI_USE]
    usage = ", ".join(f"{label}=n" for use, label in _CONTENT_USAGE.items() if not site.sharing[use])
    headers: list[tuple[bytes, bytes]] = []
    lines: list[tuple[str, str]] = []
    if usage and signals.content_usage:
        headers.append((b"content-usage", usage.encode()))
        lines.append(("Content-Usage", usage))
    if usage and signals.content_signal:
        said = (f"{label}={'yes' if site.sharing[use] else 'no'}" for use, label in _CONTENT_SIGNAL.items())
        lines.append(("Content-Signal", ", ".join(said)))
    reserved = signals.tdm and not (trains and uses)
    if reserved:
        headers.append((b"tdm-reservation", b"1"))
        if signals.tdm_policy:
            headers.append((b"tdm-policy", signals.tdm_policy.encode()))
    if signals.noai and not trains:
        headers.append((b"x-robots-tag", b"noai, noimageai"))
    return Announcement(
        tuple(headers), Statements(tuple(lines)), _tdm_reservation(signals.tdm_policy) if reserved else None
    )


def _tdm_reservation(policy: str | None) -> bytes:
    """/.well-known/tdmrep.json (W3C TDM Reservation Protocol, 2024-05 §6)."""
    entry: dict[str, object] = {"location": "/", "tdm-reservation": 1}
    if policy:
        entry["tdm-policy"] = policy
    return (json.dumps([entry]) + "\n").encode()
