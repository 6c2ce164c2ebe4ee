"""Patterns with `*`: matched from left to right in linear time, without regular expressions.

Two kinds share the machinery. A path pattern reads as in robots.txt (RFC 9309 §2.2.3): it is a prefix, `*` is any run
of characters, a final `$` is the end. A word pattern, for hosts and header values, covers the whole text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_MAX_PATTERN = 2048


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern compiled to its literal pieces; `anchored` means that it must reach the end of the text."""

    pieces: tuple[str, ...]
    anchored: bool

    @property
    def prefix(self) -> str:
        """What every matching text begins with."""
        return self.pieces[0]

    def matches(self, text: str) -> bool:
        """Whether the pattern covers the text from its first character on."""
        pieces = self.pieces
        if len(pieces) == 1:
            return text == pieces[0] if self.anchored else text.startswith(pieces[0])
        if not text.startswith(pieces[0]):
            return False
        position = len(pieces[0])
        for piece in pieces[1:-1]:
            position = text.find(piece, position)
            if position < 0:
                return False
            position += len(piece)
        last = pieces[-1]
        if self.anchored:
            return len(text) - position >= len(last) and text.endswith(last)
        return text.find(last, position) >= 0


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path pattern as robots.txt knows it, such as `/private/` or `/*.pdf$`."""

    text: str
    glob: Glob = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        anchored = self.text.endswith("$")
        path, mark, query = self.text.removesuffix("$").partition("?")
        # A star is one only as it stands: %2A is a letter of the path, as whoever builds a pattern of a name needs it.
        *first, last = map(unquote, path.split("*"))
        middle, *rest = f"{mark}{query}".split("*")
        object.__setattr__(self, "glob", Glob((*first, last + middle, *rest), anchored))

    def matches(self, target: str) -> bool:
        """Whether it covers a canonical target (see `core.request.canonical_target`)."""
        return self.glob.matches(target)

    def covers(self, other: PathPattern) -> bool:
        """Whether every target of the other pattern is surely one of this; False where that is hard to tell."""
        if self.text == other.text:
            return True
        return len(self.glob.pieces) == 1 and not self.glob.anchored and other.glob.prefix.startswith(self.glob.prefix)


def word_pattern(text: str) -> Glob:
    """A pattern for a whole word or value, in lower case: `*.example.org`, `*json*`."""
    return Glob(tuple(text.lower().split("*")), anchored=True)


def path_fault(text: str) -> str | None:
    """A path pattern that could match no canonical path, or that would break a line of robots.txt."""
    if not text.startswith("/"):
        return "begin it with /"
    if any(not mark.isprintable() for mark in text):
        return "it holds a control character"
    if len(text) > _MAX_PATTERN:
        return f"it is longer than {_MAX_PATTERN} characters"
    path = text.partition("?")[0]
    if "//" in path or re.search(r"/\.{1,2}(/|\$?$)", path):
        return "write it without // and dot segments: paths are compared after these are folded"
    return None
