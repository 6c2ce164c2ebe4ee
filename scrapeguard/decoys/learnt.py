"""A template learnt from a page of the site: its head, navigation, footer and class names, without what it says.

The source is cut, not written anew, so that what stays is the site's own byte for byte. Scripts, forms, frames and
comments go: a decoy runs nothing and sends nothing.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import accumulate
from typing import NamedTuple

from scrapeguard.decoys.template import MAX_BYTES, Template

_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_DROPPED = frozenset("script noscript iframe form template object svg base".split())
_STYLED = frozenset("h1 h2 p ul li a figure".split())
_MAX_DEPTH = 512
_MAIN_NAMES = frozenset("content main main-content maincontent post-content article-body entry-content".split())
_ABOUT_THE_PAGE = re.compile(r"description|keywords|author|robots|og:|twitter:|article:|csrf|token|date", re.IGNORECASE)


class _Element(NamedTuple):
    tag: str
    start: int
    inner: int
    rank: int
    text: int


class _Span(NamedTuple):
    start: int
    end: int
    put: str


def learn(html: str) -> Template:
    """The template of a page.

    Raises:
        ValueError: the page is too long, or nothing in it looks like its content; the owner can write a template.
    """
    if len(html) > MAX_BYTES:
        raise ValueError(f"a page of {len(html)} characters is too long to learn from: at most {MAX_BYTES}")
    html = html.replace("{{", "{ {")
    reader = _Reader(html)
    reader.feed(html)
    reader.close()
    if reader.content is None:
        raise ValueError("no <main>, <article> or block of paragraphs in the page: write a template with {{content}}")
    heading, links = (reader.classes.get(tag, "") for tag in ("h1", "ul"))
    put = f"\n<h1{heading}>{{{{title}}}}</h1>\n{{{{content}}}}<ul{links}>\n{{{{links}}}}</ul>\n"
    return Template.of(_cut(html, reader.spans, reader.content._replace(put=put)), reader.classes)


def _cut(html: str, spans: list[_Span], content: _Span) -> str:
    pieces, end = list[str](), 0
    for span in sorted([*spans, content]):
        if span.start < end:
            continue
        pieces += (html[end : span.start], span.put)
        end = span.end
    return "".join(pieces) + html[end:]


class _Reader(HTMLParser):
    """Finds where the content of a page is, what is to go, and how its tags are styled."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self._source = html
        self._lines = [0, *accumulate(len(line) + 1 for line in html.split("\n"))]
        self._length = len(html)
        self._open: list[_Element] = []
        self._text = 0
        self.spans: list[_Span] = []
        self.classes: dict[str, str] = {}
        self.content: _Span | None = None
        self._best = (0, 0)

    def _at(self) -> int:
        line, column = self.getpos()
        return min(self._lines[line - 1] + column, self._length)

    # HTMLParser calls these by name.
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self._at()
        end = start + len(self.get_starttag_text() or "")
        named = dict(attrs)
        if _says_what_the_page_is(tag, named):
            self.spans.append(_Span(start, end, ""))
        self._note_class(tag, named)
        if tag not in _VOID and len(self._open) < _MAX_DEPTH:
            self._open.append(_Element(tag, start, end, _rank(tag, named), self._text))

    def _note_class(self, tag: str, named: dict[str, str | None]) -> None:
        inside = any(element.rank for element in self._open)
        value = named.get("class") or ""
        if inside and tag in _STYLED and re.fullmatch(r"[\w -]{1,200}", value):
            self.classes.setdefault(tag, f' class="{value}"')

    def handle_endtag(self, tag: str) -> None:
        if not any(element.tag == tag for element in self._open):
            return
        end = self._at()
        while self._open:
            element = self._open.pop()
            self._closed(element, end)
            if element.tag == tag:
                break

    def _closed(self, element: _Element, end: int) -> None:
        if element.tag in _DROPPED:
            self.spans.append(_Span(element.start, self._behind(end), ""))
        elif element.tag == "title" and not any(other.tag == "svg" for other in self._open):
            self.spans.append(_Span(element.inner, end, "{{title}}"))
        elif element.rank:
            weight = (element.rank, self._text - element.text)
            if weight > self._best and (weight[1] or element.rank > 1):
                self._best = weight
                self.content = _Span(element.inner, end, "")

    def _behind(self, at: int) -> int:
        """Where the end tag that begins at a place ends."""
        close = self._source.find(">", at)
        return self._length if close < 0 else close + 1

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1].tag == "p":
            self._text += len(data)

    def handle_comment(self, data: str) -> None:
        start = self._at()
        self.spans.append(_Span(start, min(start + len(data) + 7, self._length), ""))


def _rank(tag: str, named: dict[str, str | None]) -> int:
    """How sure it is that an element holds the content: 3 by its meaning, 1 where only its text can tell."""
    if tag == "main" or named.get("role") == "main":
        return 4
    if tag == "article":
        return 3
    names = {(named.get("id") or "").lower(), *(named.get("class") or "").lower().split()}
    if names & _MAIN_NAMES:
        return 2
    return 1 if tag in ("div", "section", "td") else 0


def _says_what_the_page_is(tag: str, named: dict[str, str | None]) -> bool:
    if tag == "meta":
        return any(_ABOUT_THE_PAGE.match(named.get(name) or "") for name in ("name", "property", "itemprop"))
    relations = (named.get("rel") or "").lower().split() if tag == "link" else ()
    return any(relation in ("canonical", "alternate", "amphtml", "next", "prev", "shortlink") for relation in relations)
