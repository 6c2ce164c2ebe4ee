from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapeguard.decoys.languages import language_of
from scrapeguard.decoys.lexicon import load, locales
from scrapeguard.decoys.maze import PAGES
from scrapeguard.decoys.site import DecoySite

PRINT_PAGES = """
import sys, hashlib
from scrapeguard.decoys.site import DecoySite
site = DecoySite(b"a secret of thirty-two bytes ...", "gazette.example", locale=sys.argv[1])
for path in "/ /blog/a-page /feed.xml /api/items /x.csv /x.md /x.svg /x.png /x.css /sitemap.xml".split():
    page = site.page(path)
    print(path, page.media_type, page.headers, hashlib.sha256(page.body).hexdigest())
"""
VOID = set("area base br col embed hr img input link meta source track wbr".split())
SENTENCE = re.compile(r"[^.!?\n]{30,}[.!?]")


class Checker(HTMLParser):
    """Notes tags that are not closed in order, and all links."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.links, self.images = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def checked(page):
    checker = Checker()
    checker.feed(page.body.decode())
    checker.close()
    assert not checker.faults
    assert not checker.open
    return checker


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
def test_the_same_bytes_in_every_process(locale):
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PRINT_PAGES, locale],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "4242")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("\n") == 10


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
def test_the_same_pages_in_whatever_order_they_are_asked_for(secret, locale):
    """What is made when the first page of a topic asks for it does not depend on which page that is."""
    one, other = (DecoySite(secret, "gazette.example", locale=locale) for _ in range(2))
    paths = [one.maze.link(number).path for number in range(150)]
    forwards = {path: one.page(path) for path in paths}
    backwards = {path: other.page(path) for path in reversed(paths)}
    assert [path for path in paths if forwards[path] != backwards[path]] == []


def test_another_secret_or_host_gives_another_page(site, secret):
    page = site.page("/blog/a-page")
    assert DecoySite(secret[::-1], "gazette.example").page("/blog/a-page").body != page.body
    assert DecoySite(secret, "other.example").page("/blog/a-page").body != page.body


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        DecoySite(b"short", "gazette.example")


def test_an_unknown_locale_is_refused_with_those_there_are(secret):
    with pytest.raises(ValueError, match="de_DE, en_US"):
        DecoySite(secret, "gazette.example", locale="xx_XX")


@pytest.mark.parametrize("host", ["gazette.example/<b>", 'a"b', "", "a b"])
def test_a_host_that_is_none_is_refused(host, secret):
    with pytest.raises(ValueError, match="host"):
        DecoySite(secret, host)


@pytest.mark.parametrize("fixture", ["site", "german"])
def test_html_is_well_formed_and_of_natural_length(fixture, request):
    site = request.getfixturevalue(fixture)
    for number in range(120):
        path = site.maze.link(number).path
        page = site.page(path)
        assert page.media_type == "text/html; charset=utf-8"
        assert 1_500 < len(page.body) < 12_000
        assert len(checked(page).links) >= 6
        assert not re.search(
            r"[{}|<>%]|\(s\b", re.sub(r"<style>.*?</style>|<[^>]*>", "", page.body.decode(), flags=re.DOTALL)
        )


def test_links_lead_to_pages_with_the_titles_they_promise(site):
    for number in range(60):
        body = site.page(site.maze.link(number).path).body.decode()
        for path, title in re.findall(r'<li><a href="([^"]+)">([^<]+)</a></li>', body):
            there = site.page(path).body.decode()
            assert f"<h1>{title}</h1>" in there


def test_a_crawl_stays_in_the_prefix_and_never_ends(secret):
    site = DecoySite(secret, "gazette.example", prefix="/archive", links=5, depth=2)
    queue, seen = ["/archive/"], set()
    while queue and len(seen) < 300:
        path = queue.pop(0)
        if path not in seen:
            seen.add(path)
            links = checked(site.page(path)).links
            assert links
            assert all(link.startswith("/archive/") and link.count("/") == 3 for link in links)
            queue += links
    assert len(seen) == 300


def test_siblings_stand_in_the_folder_of_the_page(site):
    links = checked(site.page("/shop/kettles/steel-kettle")).links
    assert sum(link.startswith("/shop/kettles/") for link in links) == 2


def test_no_links_where_none_are_wanted(secret):
    assert checked(DecoySite(secret, "gazette.example", links=0).page("/")).links == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"links": 65}, "64"), ({"depth": 0}, "1 to 4"), ({"depth": 5}, "1 to 4"), ({"prefix": "/<a>/"}, "prefix")],
)
def test_arguments_that_cannot_be_are_refused(arguments, message, secret):
    with pytest.raises(ValueError, match=message):
        DecoySite(secret, "gazette.example", **arguments)


def test_headers_say_when_and_which_version(site, secret):
    page = site.page("/blog/a-page")
    headers = dict(page.headers)
    assert parsedate_to_datetime(headers["Last-Modified"]) < datetime(2025, 1, 1, tzinfo=UTC)
    assert re.fullmatch(r'"[0-9a-f]{24}"', headers["ETag"])
    assert headers["X-Robots-Tag"] == "noindex"
    other_form = dict(site.page("/blog/a-page", "application/json").headers)
    other_links = dict(DecoySite(secret, "gazette.example", links=3).page("/blog/a-page").headers)
    assert len({headers["ETag"], other_form["ETag"], other_links["ETag"]}) == 3


def test_json_of_an_api(site):
    page = site.page("/api/v1/items")
    document = json.loads(page.body)
    assert page.media_type == "application/json"
    assert document["url"] == "/api/v1/items"
    assert len(document["body"]) > 4
    assert document["related"][0].keys() == {"url", "title"}


@pytest.mark.parametrize(
    ("path", "media_type", "item"),
    [
        ("/feed.xml", "application/rss+xml; charset=utf-8", "channel/item"),
        ("/news/rss", "application/rss+xml; charset=utf-8", "channel/item"),
        ("/atom.xml", "application/atom+xml; charset=utf-8", "{http://www.w3.org/2005/Atom}entry"),
        ("/sitemap.xml", "application/xml; charset=utf-8", "{http://www.sitemaps.org/schemas/sitemap/0.9}url"),
        ("/sitemap-3.xml", "application/xml; charset=utf-8", "{http://www.sitemaps.org/schemas/sitemap/0.9}url"),
    ],
)
def test_feeds_and_sitemaps_are_xml(path, media_type, item, site):
    page = site.page(path)
    assert page.media_type == media_type
    assert len(ElementTree.fromstring(page.body).findall(item)) >= 12


def test_a_feed_tells_what_its_pages_tell(site):
    for item in ElementTree.fromstring(site.page("/feed.xml").body).iter("item"):
        path = item.findtext("link").removeprefix("https://gazette.example")
        assert f"<h1>{item.findtext('title')}</h1>" in site.page(path).body.decode()
        assert item.findtext("description") in re.sub(r"<[^>]+>", "", site.page(path).body.decode())


def test_csv_has_the_same_columns_in_each_row(site):
    rows = list(csv.reader(io.StringIO(site.page("/data/list.csv").body.decode(), newline="")))
    assert len(rows) == 61
    assert {len(row) for row in rows} == {7}


def test_markdown_and_text_have_no_tags(site):
    for ending, media_type in ((".md", "text/markdown"), (".txt", "text/plain")):
        page = site.page(f"/notes/page{ending}")
        assert page.media_type.startswith(media_type)
        assert b"<" not in page.body


def test_a_style_sheet_is_one_and_a_script_does_nothing(site):
    style = site.page("/static/site.css")
    assert style.media_type == "text/css; charset=utf-8"
    text = style.body.decode()
    assert text.count("{") == text.count("}") == 3
    assert re.search(r"color: #[0-9a-f]{6};", text)
    assert text != site.page("/static/other.css").body.decode()
    assert site.page("/static/app.js").body == b'"use strict";\n'


def test_pictures_and_their_captions_belong_together(site):
    found = 0
    for number in range(40):
        for image in checked(site.page(site.maze.link(number).path)).images:
            picture = site.page(image["src"])
            if image["src"].endswith(".svg"):
                root = ElementTree.fromstring(picture.body)
                assert root.findtext("{http://www.w3.org/2000/svg}title") == image["alt"]
                found |= 1
            else:
                assert pixels_and_title(picture.body) == (60 * (96 * 3 + 1), image["alt"])
                found |= 2
    assert found == 3


def pixels_and_title(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        data = png[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + data) == int.from_bytes(png[at + 8 + size : at + 12 + size], "big")
        chunks[kind] = data
        at += 12 + size
    return len(zlib.decompress(chunks[b"IDAT"])), chunks[b"iTXt"].rpartition(b"\0")[2].decode()


def test_no_sentence_twice_in_a_page(pages):
    for path, text in pages.items():
        sentences = SENTENCE.findall(text)
        assert len(sentences) > 10, path
        assert len(sentences) == len(set(sentences)), path


def test_few_sentences_on_two_pages(pages):
    sentences = [sentence for text in pages.values() for sentence in SENTENCE.findall(text)]
    assert len(set(sentences)) > 0.99 * len(sentences)


def test_paragraphs_of_a_few_sentences(pages):
    paragraphs = [part for text in pages.values() for part in text.split("\n") if part.count(". ") >= 1]
    assert sum(2 <= len(SENTENCE.findall(part)) <= 6 for part in paragraphs) > 0.8 * len(paragraphs)


@pytest.fixture(scope="module")
def unwanted(corpora):
    lines = (corpora / "unwanted.txt").read_text(encoding="utf-8").split("\n")
    words = [re.escape(line) for line in lines if line and not line.startswith("#")]
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


@pytest.mark.parametrize("fixture", ["site", "german"])
def test_nothing_that_could_harm(fixture, request, unwanted):
    site = request.getfixturevalue(fixture)
    for number in range(200):
        text = site.page(f"/any/{number}.txt").body.decode()
        assert not unwanted.search(text), unwanted.search(text)


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
def test_no_word_that_could_harm_is_in_the_lexicon(locale, unwanted):
    names = ["phrases", "clauses", "macros", "plans", *(f"topics/{topic}" for topic in load(locale).topics)]
    for name in names:
        text = files("scrapeguard").joinpath(f"data/decoys/{locale}/{name}.txt").read_text(encoding="utf-8")
        assert not unwanted.findall(text), name


@pytest.mark.parametrize("locale", ["en_US", "de_DE"])
def test_no_word_becomes_one_that_could_harm(locale, unwanted):
    """As a plural or a form of a verb."""
    lexicon, language = load(locale), language_of(locale)
    for name in lexicon.topics:
        for slot, words in language.topic_banks(lexicon.topic(name).words).items():
            assert not unwanted.search(" | ".join(words)), (name, slot)
    for slot, words in language.phrase_banks(lexicon.phrases).items():
        assert not unwanted.search(" | ".join(words)), slot


def test_every_title_begins_with_a_capital(site):
    """Groups that begin with their article too."""
    titles = [site.maze.link(number).title for number in range(PAGES)]
    assert [title for title in titles if title[0].islower()] == []
    assert any(title.startswith("The ") for title in titles)


def test_people_and_groups_agree_with_themselves_on_all_pages(secret):
    """A group's first year and home, and a person's town, are the same wherever they are named."""
    founded, homes = {}, {}
    # "The guild" alone may be any guild.
    group = re.compile(
        r"(?m)(?:^|[.!?] )((?!The (?:[a-z]|\w+day)|Our|Th[ei]se?|When)[\w \u2019]{5,60}?) (?:was |\()founded in (\d{4})"
    )
    for host in [f"{number}.example" for number in range(10)]:
        site = DecoySite(secret, host)
        links = [site.maze.link(number) for number in range(PAGES)]
        for title in (link.title for link in links):
            for name, town in re.findall(r"^(\w+ \w+), [\w -]+ of (\w+)$", title):
                homes.setdefault((host, name), []).append(town)
        for link in links if host == "0.example" else ():
            for name, year in group.findall(site.page(f"{link.path}.txt").body.decode()):
                founded.setdefault(name, []).append(year)
    for known in (founded, homes):
        assert any(len(values) > 1 for values in known.values())
        assert all(len(set(values)) == 1 for values in known.values())


def test_some_sites_call_people_by_a_title_and_keep_to_it(secret):
    formal = set()
    for number in range(12):
        site = DecoySite(secret, f"{number}.example")
        text = " ".join(site.page(f"/{page}.txt").body.decode() for page in range(30))
        formal.add(len(re.findall(r"\bM[rs] [A-Z]", text)) > 15 or "Mr " in text)
    assert formal == {True, False}


@given(head=st.binary(min_size=160, max_size=160))
def test_figures_of_a_page_agree_with_one_another(site, head):
    found = site._author.subject(head).entities
    years = [int(found[f"y{number}"]) for number in range(9)]
    assert years == sorted(set(years))
    assert years[0] >= 1890
    assert years[-1] <= 2007 < int(found["Y"])
    assert int(found["Y"]) - 28 <= int(found["L"]) < int(found["Y"])
    assert all(2 <= int(found[f"k{number}"]) <= 999 for number in range(9))
    assert all(re.fullmatch(r"\d{1,3}(?:,\d{3})?", found[f"b{number}"]) for number in range(11))


def test_the_locale_decides_the_language(site, german):
    english, deutsch = (one.page("/any/page.txt").body.decode() for one in (site, german))
    assert english.count(" the ") > 20 > deutsch.count(" the ")
    assert len(re.findall(r"\b(?:der|die|das|und|mit)\b", deutsch)) > 15
    assert locales() == ["de_DE", "en_US"]


hostile = st.one_of(
    st.text(max_size=300),
    st.from_regex(r"(/(\.\.|%2e%2e|%00|a\?b|<script>|\{\{x\}\}|%s|%\(P\)s|\ud800)){1,20}", fullmatch=True),
    st.builds(lambda part, count: f"/{part}" * count, st.text(min_size=1, max_size=5), st.integers(1, 3000)),
    st.sampled_from(
        ["", "/", "//", "/../../etc/passwd", "/-10000", "/a-99999.html", "/" + "x" * 9000, "/.svg", "/api/"]
    ),
)
accepts = st.one_of(
    st.none(), st.text(max_size=100), st.sampled_from(["*/*", "text/plain;q=x, text/csv;q=0.5", "," * 5000])
)


@settings(max_examples=300, deadline=None)
@given(path=hostile, accept=accepts)
def test_no_path_fails_or_grows(site, path, accept):
    page = site.page(path, accept)
    # A script is short.
    assert 10 < len(page.body) < 100_000
    assert page == site.page(path, accept)
    if page.media_type.startswith("text/html"):
        checked(page)
        assert b"<script" not in page.body
    elif page.media_type == "application/json":
        json.loads(page.body)
    elif "xml" in page.media_type:
        ElementTree.fromstring(page.body)
