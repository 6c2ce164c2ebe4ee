"""What clients do, as workers tell one another."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from scrapeguard.core.clients import ClientKey


class What(StrEnum):
    """What happened, as it is told to other workers."""

    PAGE = "p"
    PART = "a"
    STYLE = "s"
    MISS = "m"
    RETURN = "r"
    SURVEY = "v"
    STYLED_SITE = "w"
    LINKED_STYLES = "l"
    PASSED = "c"
    AT_ONCE = "b"
    HURRIED = "h"
    CLOCKED = "k"

    __hash__ = str.__hash__


class Act(NamedTuple):
    """Something that a client did.

    `number` is the mark of a page, `place` stands for its path (0 for the front page), `fingerprint` for what is sent.
    """

    what: What
    key: ClientKey
    host: str = ""
    number: int = 0
    typed: bool = False
    fingerprint: int = 0
    place: int = 0


NOBODY = ClientKey("", None, None)
"""Stands where an act is no client's."""
