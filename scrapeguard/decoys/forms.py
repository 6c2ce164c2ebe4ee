"""In which form a decoy is asked for: by the ending of its path first, then by Accept (RFC 9110 §12.5.1)."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

_MAX_RANGES = 16
_MAX_ACCEPT = 512


class Form(Enum):
    """What a page can be, and its media type."""

    HTML = "text/html; charset=utf-8"
    JSON = "application/json"
    RSS = "application/rss+xml; charset=utf-8"
    ATOM = "application/atom+xml; charset=utf-8"
    SITEMAP = "application/xml; charset=utf-8"
    TEXT = "text/plain; charset=utf-8"
    MARKDOWN = "text/markdown; charset=utf-8"
    CSV = "text/csv; charset=utf-8"
    SVG = "image/svg+xml"
    PNG = "image/png"
    CSS = "text/css; charset=utf-8"
    SCRIPT = "text/javascript; charset=utf-8"


_ENDINGS = (
    (re.compile(r"sitemap[\w-]*\.xml(?:\.gz)?$"), Form.SITEMAP),
    (re.compile(r"(?:/|\.)atom(?:\.xml)?/?$"), Form.ATOM),
    (re.compile(r"(?:/(?:feed|rss|index)(?:\.xml)?/?|\.(?:rss|rdf|xml))$"), Form.RSS),
    (re.compile(r"\.(?:json|jsonl|geojson)$|/(?:api|graphql|wp-json)(?:/|$)"), Form.JSON),
    (re.compile(r"\.(?:md|markdown)$"), Form.MARKDOWN),
    (re.compile(r"\.(?:csv|tsv)$"), Form.CSV),
    (re.compile(r"\.svg$"), Form.SVG),
    (re.compile(r"\.(?:png|jpe?g|gif|webp|avif|ico|bmp)$"), Form.PNG),
    (re.compile(r"\.(?:txt|text|log)$"), Form.TEXT),
    (re.compile(r"\.css$"), Form.CSS),
    (re.compile(r"\.m?js$"), Form.SCRIPT),
    (re.compile(r"\.(?:html?|php|aspx?)$"), Form.HTML),
)
_ENDED = re.compile(r"\.\w+/?$|/(?:feed|rss|index|atom|api|graphql|wp-json)(?:/|$)")
_TYPES = {
    "text/html": Form.HTML,
    "application/xhtml+xml": Form.HTML,
    "application/json": Form.JSON,
    "application/rss+xml": Form.RSS,
    "application/atom+xml": Form.ATOM,
    "text/markdown": Form.MARKDOWN,
    "text/plain": Form.TEXT,
    "text/csv": Form.CSV,
    "image/svg+xml": Form.SVG,
    "image/png": Form.PNG,
}


def form_of(path: str, accept: str | None) -> Form:
    """The form of the page at a path, for a client that accepts that."""
    end = path[-80:].lower()
    # Most addresses have none of these: they need not be tried one by one.
    if _ENDED.search(end) or path.startswith("/api/"):
        for pattern, form in _ENDINGS:
            if pattern.search(end) or (form is Form.JSON and path.startswith("/api/")):
                return form
    return _accepted(accept[:_MAX_ACCEPT]) if accept else Form.HTML


@lru_cache(maxsize=256)
def _accepted(accept: str) -> Form:
    """The form with the best rating, the first of several; HTML where none is named."""
    best, rating = Form.HTML, 0.0
    for part in accept.split(",")[:_MAX_RANGES]:
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        form = _TYPES.get(media)
        quality = _quality(parameters)
        if form is not None and quality > rating:
            best, rating = form, quality
    return best


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return 0.0
    return 1.0
