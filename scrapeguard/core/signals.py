"""The signals: named evidence that something is odd about a request, and what each weighs.

A signal never decides alone by being there. Its weight adds to the score, the owner maps scores to actions
(`thresholds:`), and a weight of 0 makes a signal informative only.
"""

from __future__ import annotations

from typing import NamedTuple


class Signal(NamedTuple):
    """One kind of evidence: its default weight and what it means, in the owner's words."""

    weight: int
    meaning: str


SIGNALS: dict[str, Signal] = {
    "declared-agent": Signal(0, "the User-Agent names an agent of the catalogue"),
    "declared-bot": Signal(0, "the User-Agent says it is a bot that no list knows"),
    "no-user-agent": Signal(10, "there is no User-Agent, or nothing in it that could be read"),
    "spoofed-identity": Signal(100, "the User-Agent names an agent whose operator does not vouch for the address"),
    "fabricated-user-agent": Signal(40, "the User-Agent names a browser version that was never released"),
}


class Evidence(NamedTuple):
    """A signal that was seen, and what was seen."""

    signal: str
    detail: str
