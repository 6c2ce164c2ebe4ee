"""The licence of a site in the words of RSL 1.0 (rslstandard.org/rsl): what is permitted and what is prohibited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import quoteattr

from scrapeguard.core.sharing import Use

LICENSE_PATH = "/license.xml"
MEDIA_TYPE = "application/rsl+xml"
_MAX_AGE = 7
"""Days for which a licence may be remembered (RSL 1.0 §3.2); owners change their minds."""
_USAGE: dict[Use, tuple[str, ...]] = {
    Use.TRAIN: ("ai-train",),
    Use.AI_USE: ("ai-input", "ai-index"),
    Use.SEARCH: ("search",),
}
"""The usage tokens of each use (RSL 1.0 §3.5)."""
_ALL_AI = frozenset(_USAGE[Use.TRAIN] + _USAGE[Use.AI_USE])


def license_document(contents: Iterable[tuple[str, Mapping[Use, bool]]]) -> bytes:
    """The document, in UTF-8.

    Args:
        contents: path patterns as in robots.txt and what is shared there; the most specific one counts for a path.
    """
    parts = "".join(_content(pattern, sharing) for pattern, sharing in contents)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<rsl xmlns="https://rslstandard.org/rsl" max-age="{_MAX_AGE}">\n{parts}</rsl>\n'
    ).encode()


def _content(pattern: str, sharing: Mapping[Use, bool]) -> str:
    permitted, prohibited = usage_tokens(sharing, allowed=True), usage_tokens(sharing, allowed=False)
    lines = [f"  <content url={quoteattr(pattern)}>", "    <license>"]
    if permitted:
        lines.append(f'      <permits type="usage">{permitted}</permits>')
    if prohibited:
        lines.append(f'      <prohibits type="usage">{prohibited}</prohibits>')
    return "\n".join([*lines, "    </license>", "  </content>\n"])


def usage_tokens(sharing: Mapping[Use, bool], *, allowed: bool) -> str:
    """The usage tokens of what is allowed, or of what is not; all that AI may do is one word, and so is everything."""
    tokens = [token for use, words in _USAGE.items() if sharing[use] is allowed for token in words]
    others = [token for token in tokens if token not in _ALL_AI]
    if len(tokens) - len(others) < len(_ALL_AI):
        return " ".join(tokens)
    return "all" if others else "ai-all"
