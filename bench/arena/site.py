"""The site that is scraped: an app that knows nothing of the guard, made new from a seed."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.arena.prose import paragraph, title

PROOF = rb"proof-[0-9a-f]{16}"
"""What each page has once and no other page has: who was sent it, was sent the page."""

ARTICLES = "/articles/"
FEED, SITEMAP, ROBOTS, API = "/feed.xml", "/sitemap.xml", "/robots.txt", "/api/items"
_HTML = "text/html; charset=utf-8"
_PER_LIST = 25
_PARAGRAPHS = 5
_MODIFIED = "Thu, 01 Oct 2026 06:00:00 GMT"
_PAGE_CACHE, _ASSET_CACHE = "no-cache", "public, max-age=86400"


@dataclass(frozen=True, slots=True)
class Page:
    """One article."""

    slug: str
    title: str
    proof: str
    paragraphs: tuple[str, ...]
    related: tuple[int, ...]

    @property
    def path(self) -> str:
        """Where it is."""
        return ARTICLES + self.slug


@dataclass(frozen=True, slots=True)
class File:
    """What is answered for a path."""

    body: bytes
    media_type: str
    cache: str

    @property
    def etag(self) -> str:
        """The validator of a conditional request."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


class Site:
    """All that the site answers, by path.

    Args:
        pages: how many articles.
        seed: another one gives other articles, links and pictures.
        referrer: a referrer policy that the pages state themselves; empty for none.
    """

    def __init__(self, pages: int, seed: int, *, referrer: str = "") -> None:
        self._dice = random.Random(f"site {seed}")
        self._referrer = referrer
        self.pages = [self._page(number, pages, seed) for number in range(pages)]

    @cached_property
    def files(self) -> Mapping[str, File]:
        """Each path, and what is there."""
        files = {page.path: _page(self._article(number)) for number, page in enumerate(self.pages)}
        files |= {f"/images/{page.slug}.png": _asset(_picture(page.slug), "image/png") for page in self.pages}
        files["/"] = _page(self._list("All the news", 0))
        for number in range(1, -(-len(self.pages) // _PER_LIST)):
            files[f"/archive/{number}"] = _page(self._list(f"Archive, part {number}", number))
        files["/static/site.css"] = _asset(_STYLE, "text/css; charset=utf-8")
        files["/static/site.js"] = _asset(_SCRIPT, "text/javascript; charset=utf-8")
        files["/favicon.ico"] = _asset(_picture("icon", 16), "image/png")
        files[FEED] = File(self._feed().encode(), "application/rss+xml; charset=utf-8", _PAGE_CACHE)
        files[SITEMAP] = File(self._sitemap().encode(), "application/xml", _PAGE_CACHE)
        files[ROBOTS] = File(b"User-agent: *\nDisallow: /drafts/\nSitemap: /sitemap.xml\n", "text/plain", _PAGE_CACHE)
        items = [{"id": number, "title": page.title} for number, page in enumerate(self.pages)]
        files[API] = File(json.dumps(items[:50]).encode(), "application/json", _PAGE_CACHE)
        for item in items[:50]:
            files[f"{API}/{item['id']}"] = File(json.dumps(item).encode(), "application/json", _PAGE_CACHE)
        return files

    @property
    def proofs(self) -> dict[str, int]:
        """The page of each proof."""
        return {page.proof: number for number, page in enumerate(self.pages)}

    def app(self) -> Starlette:
        """The site as an ASGI app."""

        async def answer(request: Request) -> Response:
            file = self.files.get(request.url.path)
            if file is None:
                return Response("There is nothing here.", 404, media_type="text/plain")
            headers = {"etag": file.etag, "cache-control": file.cache, "last-modified": _MODIFIED}
            if request.headers.get("if-none-match") == file.etag:
                return Response(status_code=304, headers=headers)
            return Response(file.body, headers=headers, media_type=file.media_type)

        return Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])])

    def _page(self, number: int, pages: int, seed: int) -> Page:
        heading = title(self._dice)
        return Page(
            f"{heading.lower().replace(' ', '-')}-{number}",
            heading,
            f"proof-{hashlib.sha256(f'{seed} {number}'.encode()).hexdigest()[:16]}",
            tuple(paragraph(self._dice) for _ in range(_PARAGRAPHS)),
            tuple(self._dice.randrange(pages) for _ in range(6)),
        )

    def _article(self, number: int) -> str:
        page = self.pages[number]
        text = "\n".join(f"<p>{escape(part)}</p>" for part in page.paragraphs)
        before, after = self.pages[number - 1], self.pages[(number + 1) % len(self.pages)]
        more = "".join(f"<li>{_link(self.pages[other])}</li>" for other in page.related)
        return self._document(
            page.title,
            f'<article id="story"><h1>{escape(page.title)}</h1>\n'
            f'<figure><img src="/images/{page.slug}.png" alt="" width="64" height="48"></figure>\n{text}\n'
            f"<p><small>{page.proof}</small></p></article>\n"
            f'<p id="turn"><a rel="prev" href="{before.path}">Before</a> <a rel="next" href="{after.path}">Next</a></p>'
            f'\n<ul id="more">{more}</ul>',
        )

    def _list(self, heading: str, part: int) -> str:
        pages = self.pages[part * _PER_LIST : (part + 1) * _PER_LIST]
        links = "".join(f"<li>{_link(page)}</li>" for page in pages)
        return self._document(heading, f'<main id="story"><h1>{heading}</h1><ul id="more">{links}</ul></main>')

    def _document(self, heading: str, body: str) -> str:
        referrer = f'<meta name="referrer" content="{self._referrer}">' if self._referrer else ""
        parts = range(1, min(5, -(-len(self.pages) // _PER_LIST)))
        archive = " ".join(f'<a href="/archive/{part}">Part {part}</a>' for part in parts)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(heading)}</title>{referrer}'
            '<meta name="viewport" content="width=device-width">'
            '<link rel="stylesheet" href="/static/site.css"><link rel="icon" href="/favicon.ico">'
            '<script src="/static/site.js" defer></script>'
            '<link rel="alternate" type="application/rss+xml" href="/feed.xml"></head>\n'
            f'<body><nav><a href="/">Front page</a> {archive}</nav>\n{body}\n</body></html>\n'
        )

    def _feed(self) -> str:
        items = "".join(
            f"<item><title>{escape(page.title)}</title><link>{page.path}</link><guid>{page.slug}</guid></item>"
            for page in self.pages[:20]
        )
        return f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{items}</channel></rss>'

    def _sitemap(self) -> str:
        urls = "".join(f"<url><loc>{page.path}</loc></url>" for page in self.pages)
        return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'


def _page(text: str) -> File:
    return File(text.encode(), _HTML, _PAGE_CACHE)


def _asset(body: bytes, media_type: str) -> File:
    return File(body, media_type, _ASSET_CACHE)


def _link(page: Page) -> str:
    return f'<a href="{page.path}">{escape(page.title)}</a>'


def _picture(name: str, size: int = 64) -> bytes:
    """A PNG in one colour of its own (RFC 2083 §2, §3)."""
    colour = hashlib.sha256(name.encode()).digest()[:3]
    rows = (b"\0" + colour * size) * size
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


_STYLE = b"body { max-width: 40rem; margin: auto; font: 18px/1.5 serif } nav a { margin-right: 1em }\n"
_SCRIPT = b"document.documentElement.dataset.ready = 'yes';\n"
