"""What a path is: a page to be read, or part of one."""

from __future__ import annotations

import re

_ASSETS = frozenset(
    "css js mjs map json png jpg jpeg gif webp avif svg ico bmp woff woff2 ttf otf eot mp3 mp4 webm ogg wav m4a wasm "
    "webmanifest xml rss atom pdf epub zip gz tgz xz bz2 7z rar exe msi dmg apk iso deb rpm jar doc docx xls xlsx ppt "
    "pptx odt ods csv txt ics vcf opus flac aac mov mkv avi m3u8 mpd ts m4s m4v".split()
)


_TAG = re.compile(rb"<(?:link|script)\b[^<>]{0,1000}>", re.IGNORECASE)
_ADDRESS = re.compile(rb"""\b(?:href|src)\s*=\s*["']?([^"'\s<>]+)""", re.IGNORECASE)


def links_to_styles(html: bytes, host: str) -> bool:
    """Whether a page links to a style or script on its own host.

    Args:
        html: the page, or its beginning.
        host: the Host field it was asked for with.
    """
    for tag in _TAG.findall(html):
        lower = tag.lower()
        if (lower.startswith(b"<script") or b"stylesheet" in lower) and (found := _ADDRESS.search(tag)):
            address = found[1]
            if b"//" not in address[:8] and not address.startswith(b"data:"):
                return True
            if host and address.partition(b"//")[2].startswith(host.encode("latin-1", "replace") + b"/"):
                return True
    return False


def is_asset(path: str) -> bool:
    """Whether a path ends like a style, script, picture, font, sound or download."""
    name = path.rpartition("/")[2]
    return "." in name and name.rpartition(".")[2].lower() in _ASSETS
