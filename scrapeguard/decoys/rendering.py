"""What an article looks like in each form: HTML, Markdown, plain text, JSON, feeds, sitemap, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from scrapeguard.decoys.maze import Link

_ATOM = "http://www.w3.org/2005/Atom"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


class Entry(NamedTuple):
    """An article as lists name it; `stamp` is its date as in RFC 3339, `date` as in RFC 9110."""

    link: Link
    section: str
    author: str
    date: str
    stamp: str
    summary: str


def html_glue(classes: Mapping[str, str]) -> dict[str, str]:
    """What stands between the parts of an article as HTML, where some tags have attributes."""

    def tag(name: str) -> str:
        return f"<{name}{classes.get(name, '')}>"

    opened = {"p": tag("p"), "h": tag("h2"), "item": tag("li")}
    return _glue(opened, {"p": "</p>\n", "h": "</h2>\n", "item": "</li>\n"}, (f"{tag('ul')}\n", "</ul>\n"))


def markdown_glue() -> dict[str, str]:
    """As Markdown (CommonMark)."""
    return _glue({"p": "", "h": "## ", "item": "- "}, {"p": "\n\n", "h": "\n\n", "item": "\n"}, ("", "\n"))


def text_glue() -> dict[str, str]:
    """As plain text."""
    return _glue({"p": "", "h": "", "item": "* "}, {"p": "\n\n", "h": "\n", "item": "\n"}, ("", "\n"))


def _glue(opened: Mapping[str, str], closed: Mapping[str, str], around_list: tuple[str, str]) -> dict[str, str]:
    glue = {"and": " "}
    for before in ("start", *closed):
        for mark in (*opened, "end"):
            end = closed.get(before, "") + (around_list[1] if before == "item" != mark else "")
            start = (around_list[0] if mark == "item" != before else "") + opened.get(mark, "")
            glue[f"{before}-{mark}"] = end + start
    return glue


def html_links(links: Iterable[Link], classes: Mapping[str, str]) -> str:
    """List items that link to pages; titles and paths need no escape."""
    start = f'<li{classes.get("li", "")}><a{classes.get("a", "")} href="'
    return "".join([f'{start}{path}">{title}</a></li>\n' for path, title in links])


def json_article(entry: Entry, text: str, links: Iterable[Link]) -> str:
    """The article as an API would give it, of its plain text."""
    document = {
        "url": entry.link.path,
        "title": entry.link.title,
        "section": entry.section,
        "author": entry.author,
        "published": entry.stamp,
        "body": [part for part in text.split("\n") if part],
        "related": [{"url": link.path, "title": link.title} for link in links],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def rss(name: str, home: str, entries: Sequence[Entry]) -> str:
    """An RSS 2.0 channel."""
    items = "".join(
        f"<item><title>{escape(entry.link.title)}</title><link>{home}{entry.link.path}</link>"
        f"<guid>{home}{entry.link.path}</guid><category>{escape(entry.section)}</category>"
        f"<pubDate>{entry.date}</pubDate><description>{escape(entry.summary)}</description></item>\n"
        for entry in entries
    )
    head = f"<title>{escape(name)}</title><link>{home}/</link><description>{escape(name)}</description>"
    return f'{_XML}<rss version="2.0"><channel>{head}\n{items}</channel></rss>\n'


def atom(name: str, home: str, entries: Sequence[Entry]) -> str:
    """An Atom feed (RFC 4287)."""
    items = "".join(
        f"<entry><title>{escape(entry.link.title)}</title><id>{home}{entry.link.path}</id>"
        f'<link href="{home}{entry.link.path}"/><updated>{entry.stamp}</updated>'
        f"<author><name>{escape(entry.author)}</name></author><summary>{escape(entry.summary)}</summary></entry>\n"
        for entry in entries
    )
    newest = max((entry.stamp for entry in entries), default="2009-01-01T00:00:00Z")
    head = f"<title>{escape(name)}</title><id>{home}/</id><updated>{newest}</updated>"
    return f'{_XML}<feed xmlns="{_ATOM}">{head}\n{items}</feed>\n'


def sitemap(home: str, entries: Sequence[Entry]) -> str:
    """A sitemap of the protocol of sitemaps.org."""
    items = "".join(
        f"<url><loc>{home}{entry.link.path}</loc><lastmod>{entry.stamp[:10]}</lastmod></url>\n" for entry in entries
    )
    return f'{_XML}<urlset xmlns="{_SITEMAP}">\n{items}</urlset>\n'


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Comma-separated values (RFC 4180)."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
