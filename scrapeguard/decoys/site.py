"""The decoys of a host: a page for every path, the same on every visit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from scrapeguard.decoys import rendering
from scrapeguard.decoys.articles import BYTES, HEAD, Author, Subject
from scrapeguard.decoys.corpus import Corpus
from scrapeguard.decoys.draws import Draws, draw, key_of
from scrapeguard.decoys.forms import Form, form_of
from scrapeguard.decoys.images import png, style_sheet, svg
from scrapeguard.decoys.languages import language_of
from scrapeguard.decoys.lexicon import load
from scrapeguard.decoys.maze import PAGES, PLAIN_PATH, Link, Maze
from scrapeguard.decoys.names import name_parts
from scrapeguard.decoys.rendering import Entry
from scrapeguard.decoys.template import Template, default
from scrapeguard.decoys.worlds import World, tables

MOST_PATH = 2048
"""Characters of a path that count; what follows changes nothing."""
_HOST = re.compile(r"[\w.-]{1,253}(?::\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::\d{1,5})?")
_KEPT_TOPICS = 0.95
_LEAST_TOPICS = 20
_FEED = 12
_SITEMAP = 500
_ROWS = 60
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class DecoyPage(NamedTuple):
    """An answer, always with status 200; the headers are all but Content-Type and Content-Length."""

    media_type: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class _Look(NamedTuple):
    """What the template decides: the page, the tags of the content, and what of the ETag follows from it."""

    template: Template
    glue: Mapping[str, str]
    tag: bytes


class _Page(NamedTuple):
    path: str
    subject: Subject
    draws: bytes


class DecoySite:
    """Makes the decoys of one host, each from (secret, host, path) alone.

    Args:
        secret: of the owner; who does not know it cannot tell which pages are decoys.
        host: the name of the site.
        locale: of its language; see `lexicon.locales`.
        corpus: a folder of texts of the site, whose turns are recombined with other names and figures.
        template: the page around an article; a plain one by default.
        links: how many links a page has.
        depth: how many folders and names the address of a maze page has, 1 to 4.
        prefix: the path under which all links stay.

    Raises:
        ValueError: an argument cannot be; the message says what can.
        ImportError: Faker is not installed.
    """

    def __init__(
        self,
        secret: bytes,
        host: str,
        *,
        locale: str = "en_US",
        corpus: Path | None = None,
        template: Template | None = None,
        links: int = 8,
        depth: int = 3,
        prefix: str = "/",
    ) -> None:
        if len(secret) < 16:
            raise ValueError(f"a secret of {len(secret)} bytes can be guessed: give at least 16")
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is no host: give a name such as www.example.org, with a port or without")
        self._key = key_of(secret, host)
        self._home = f"https://{host}"
        lexicon, language, draws = load(locale), language_of(locale), Draws(self._key, "site")
        names = draws.some(lexicon.topics, _KEPT_TOPICS, _LEAST_TOPICS)
        topics = [lexicon.topic(name) for name in names]
        circles = [topic.words["circle"] for topic in topics]
        self._world = World(name_parts(locale), tables(locale), circles, draws)
        own = Corpus.read(corpus, self._world, draws) if corpus else None
        self._author = Author(lexicon, language, self._world, topics, draws, own)
        self._months = lexicon.phrases["month"]
        self._name = self._world.towns[0]
        sections = [kind.section for kind in self._author.kinds]
        self.maze = Maze(self._maze_subject, sections, draws, prefix=prefix, depth=depth, links=links)
        self._settings = links, depth, prefix
        self._look = self._look_of(template or default(locale))
        self._text_glue, self._markdown_glue = rendering.text_glue(), rendering.markdown_glue()
        self._makers: Mapping[Form, Callable[[_Page], str | bytes]] = {
            Form.HTML: self._html,
            Form.JSON: self._json,
            Form.RSS: lambda page: rendering.rss(self._name, self._home, self._entries(page, _FEED)),
            Form.ATOM: lambda page: rendering.atom(self._name, self._home, self._entries(page, _FEED)),
            Form.SITEMAP: lambda page: rendering.sitemap(self._home, self._entries(page, _SITEMAP, summaries=False)),
            Form.TEXT: lambda page: f"{page.subject.title}\n\n{self._written(page, self._text_glue)}",
            Form.MARKDOWN: self._markdown,
            Form.CSV: self._csv,
            Form.SVG: lambda page: svg(page.draws, self._author.caption(page.subject, page.draws)),
            Form.PNG: lambda page: png(page.draws, self._author.caption(page.subject, page.draws)),
            Form.CSS: lambda page: style_sheet(page.draws),
            # A script of a stranger could do harm: this does nothing.
            Form.SCRIPT: lambda page: '"use strict";\n',
        }

    def _look_of(self, template: Template) -> _Look:
        tag = blake2b(repr((template, *self._settings)).encode(), key=self._key).digest()
        return _Look(template, rendering.html_glue(template.classes), tag)

    def look_like(self, template: Template) -> None:
        """Put another page around the articles from now on."""
        self._look = self._look_of(template)

    def page(self, path: str, accept: str | None = None) -> DecoyPage:
        """The page at a path, percent-encoded or not, without its query; never fails, and is bounded in size."""
        # A lone surrogate, which no URL holds, would not fit into an answer.
        path = path[:MOST_PATH].encode("utf-8", "replace").decode()
        form = form_of(path, accept)
        # A picture belongs to the page whose address it has, but for the ending.
        page = self._page(path.rpartition(".")[0] if form in (Form.SVG, Form.PNG) and "." in path else path)
        made = self._makers[form](page)
        body = made if isinstance(made, bytes) else made.encode()
        tag = blake2b(page.draws[:32], key=self._look.tag, digest_size=12, person=form.name.encode()).hexdigest()
        modified = _http_date(page.subject, page.draws)
        headers = (("ETag", f'"{tag}"'), ("Last-Modified", modified), ("X-Robots-Tag", "noindex"))
        return DecoyPage(form.value, headers, body)

    def _page(self, path: str) -> _Page:
        draws = draw(self._key, f"page:{path}", HEAD + BYTES)
        number = self.maze.number(path)
        subject = self._author.subject(draws[BYTES:]) if number is None else self._maze_subject(number)
        return _Page(path, subject, draws[:BYTES])

    def _maze_subject(self, number: int) -> Subject:
        return self._author.subject(draw(self._key, f"maze:{number}", HEAD))

    def _written(self, page: _Page, glue: Mapping[str, str]) -> str:
        return self._author.write(page.subject, page.draws, glue)

    def _html(self, page: _Page) -> str:
        subject, draws = page.subject, page.draws
        look = self._look
        content = self._written(page, look.glue)
        if draws[-1] & 1 and PLAIN_PATH.fullmatch(page.path):
            content = self._figure(page) + content
        return look.template.rendered(
            {
                "title": subject.title,
                "content": content,
                "links": rendering.html_links(self.maze.links(page.path, draws[-160:]), look.template.classes),
                "section": self._author.kinds[subject.kind].section,
                "author": subject.entities["R"],
                "date": f"{subject.entities['dt']} {subject.year}",
                "description": subject.title,
            }
        )

    def _figure(self, page: _Page) -> str:
        source = f"{page.path}.{'svg' if page.draws[-4] & 1 else 'png'}"
        caption = self._author.caption(page.subject, page.draws)
        return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>\n'

    def _json(self, page: _Page) -> str:
        entry = self._entry(Link(page.path, page.subject.title), page.subject, page.draws, "")
        return rendering.json_article(
            entry, self._written(page, self._text_glue), self.maze.links(page.path, page.draws[-160:])
        )

    def _markdown(self, page: _Page) -> str:
        links = "".join(f"- [{title}]({path})\n" for path, title in self.maze.links(page.path, page.draws[-160:]))
        return f"# {page.subject.title}\n\n{self._written(page, self._markdown_glue)}{links}"

    def _csv(self, page: _Page) -> str:
        numbers = self._numbers(page, _ROWS)
        subjects = [self._maze_subject(number) for number in numbers]
        rows = [
            (
                item.entities["code"],
                item.entities["P"],
                item.entities["C"],
                item.entities["dt"],
                str(item.year),
                item.entities["k0"],
                item.entities["k1"],
            )
            for item in subjects
        ]
        return rendering.table(("id", "name", "place", "day", "year", "first", "second"), rows)

    def _numbers(self, page: _Page, count: int) -> list[int]:
        start = page.draws[0] << 8 | page.draws[1]
        return [(start + step * 37) % PAGES for step in range(count)]

    def _entries(self, page: _Page, count: int, *, summaries: bool = True) -> list[Entry]:
        entries = []
        for number in self._numbers(page, count):
            link = self.maze.link(number)
            there = self._page(link.path)
            text = self._written(there, self._text_glue).partition("\n")[0] if summaries else ""
            entries.append(self._entry(link, there.subject, there.draws, text))
        return entries

    def _entry(self, link: Link, subject: Subject, draws: bytes, summary: str) -> Entry:
        stamp = f"{subject.year}-{subject.month + 1:02}-{subject.day:02}T{draws[2] % 24:02}:{draws[3] % 60:02}:00Z"
        section = self._author.kinds[subject.kind].section
        return Entry(link, section, subject.entities["R"], _http_date(subject, draws), stamp, summary)


def _http_date(subject: Subject, draws: bytes) -> str:
    """When an article was changed, as IMF-fixdate (RFC 9110 §5.6.7): years ago."""
    day = _DAYS[date(subject.year, subject.month + 1, subject.day).weekday()]
    clock = f"{draws[2] % 24:02}:{draws[3] % 60:02}:00"
    return f"{day}, {subject.day:02} {_MONTHS[subject.month]} {subject.year} {clock} GMT"
