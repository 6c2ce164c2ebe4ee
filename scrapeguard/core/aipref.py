"""Reading Content-Usage: what a page may be used for, in a header or in a group of robots.txt.

The value is a Dictionary of RFC 9651 with the Tokens `y` and `n` (draft-ietf-aipref-vocab-08 §6, -attach-05 §3).
What is absent, of another type or unreadable states no preference, which is no permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from http_sf import StructuredFieldError, Token, parse

from scrapeguard.core.sharing import Use

LABELS: dict[Use, str] = {Use.TRAIN: "train-ai", Use.AI_USE: "ai-use", Use.SEARCH: "search"}
"""The labels of draft-ietf-aipref-vocab-08 §4."""

_MAX_LENGTH = 4096
_SAID = {"y": True, "n": False}


class RobotsRule(NamedTuple):
    """A Content-Usage line of robots.txt: the path it is for, or None for all that the group is for; and its value."""

    path: str | None
    value: str


def preferences(value: str) -> dict[str, bool]:
    """Whether each known label is allowed; those that nothing readable is said of are absent."""
    members = _members(value) or {}
    said = {label: member[0] for label, member in members.items() if label in LABELS.values()}
    return {label: _SAID[str(item)] for label, item in said.items() if isinstance(item, Token) and str(item) in _SAID}


def is_readable(value: str) -> bool:
    """Whether a value is a Dictionary at all, and not an empty one."""
    return bool(_members(value))


def _members(value: str) -> dict[str, tuple[object, object]] | None:
    if len(value) > _MAX_LENGTH:
        return None
    try:
        return cast("dict[str, tuple[object, object]]", parse(value.encode("ascii"), tltype="dictionary"))
    except (StructuredFieldError, UnicodeEncodeError):
        return None


def strictest(values: Iterable[str]) -> dict[str, bool]:
    """What several statements on one page come to: any `n` wins (draft-ietf-aipref-vocab-08 §5)."""
    combined: dict[str, bool] = {}
    for value in values:
        for label, allowed in preferences(value).items():
            combined[label] = allowed and combined.get(label, True)
    return combined


def written(said: Mapping[str, bool]) -> str:
    """Preferences as a Content-Usage value."""
    return ", ".join(f"{label}={'y' if allowed else 'n'}" for label, allowed in said.items())


def robots_rule(value: str) -> RobotsRule:
    """The value of a Content-Usage line, split; a path begins with / and ends at a blank."""
    if not value.startswith("/"):
        return RobotsRule(None, value)
    path, *rest = value.split(None, 1)
    return RobotsRule(path, rest[0] if rest else "")
