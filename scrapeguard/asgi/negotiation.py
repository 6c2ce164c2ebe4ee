"""In which form to answer: what an Accept field asks for (RFC 9110 §12.5.1)."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

_MAX_RANGES = 32
_MAX_LENGTH = 1024


class Form(Enum):
    """The forms of an answer, the most wanted of two equal ones first."""

    # That of Enum is written in Python; forms are looked up for every refusal.
    __hash__ = object.__hash__

    HTML = "text/html"
    JSON = "application/problem+json"
    TEXT = "text/plain"


# What counts as asking for a form, the exact type first.
_TYPES: dict[Form, tuple[str, ...]] = {
    Form.HTML: ("text/html", "application/xhtml+xml"),
    Form.JSON: ("application/problem+json", "application/json"),
    Form.TEXT: ("text/plain",),
}


def preferred_form(accept: bytes | None) -> Form:
    """The form that is asked for by name, the best rated first; plain text where none is.

    `*/*` alone asks for nothing: command-line tools and crawlers send it, and plain text serves both.
    """
    return _preferred(accept[:_MAX_LENGTH]) if accept else Form.TEXT


# The field is the same for all requests of a kind of client; 256 kinds are remembered.
@lru_cache(maxsize=256)
def _preferred(accept: bytes) -> Form:
    rated: dict[Form, float] = {}
    for media_range in accept.decode("latin-1").lower().split(",")[:_MAX_RANGES]:
        media_type, _, parameters = media_range.partition(";")
        form = _form_of(media_type.strip())
        if form is not None:
            rated[form] = max(rated.get(form, 0.0), _quality(parameters))
    wanted = [form for form in Form if rated.get(form, 0.0) > 0.0]
    return max(wanted, key=rated.__getitem__, default=Form.TEXT)


def _form_of(media_type: str) -> Form | None:
    if media_type.endswith("+json"):
        return Form.JSON
    return next((form for form, types in _TYPES.items() if media_type in types), None)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
