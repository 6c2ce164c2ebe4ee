"""What a path is: a page to be read, or part of one."""

from __future__ import annotations

_ASSETS = frozenset(
    "css js mjs map json png jpg jpeg gif webp avif svg ico bmp woff woff2 ttf otf eot mp3 mp4 webm ogg wav m4a wasm "
    "webmanifest xml rss atom pdf epub zip gz tgz xz bz2 7z rar exe msi dmg apk iso deb rpm jar doc docx xls xlsx ppt "
    "pptx odt ods csv txt ics vcf opus flac aac mov mkv avi m3u8 mpd ts m4s m4v".split()
)


def is_asset(path: str) -> bool:
    """Whether a path ends like a style, script, picture, font, sound or download."""
    name = path.rpartition("/")[2]
    return "." in name and name.rpartition(".")[2].lower() in _ASSETS
