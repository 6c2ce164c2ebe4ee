from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapeguard.decoys.learnt import learn
from scrapeguard.decoys.site import DecoySite
from scrapeguard.decoys.template import MAX_BYTES, Template

FIELDS = {"title": "A title", "content": "<p>Content.</p>", "links": '<li><a href="/x">X</a></li>\n'}


@pytest.fixture(scope="module")
def article(corpora):
    return (corpora / "article.html").read_text(encoding="utf-8")


def test_a_template_is_filled_in():
    template = Template.of("<title>{{title}}</title>{{ content }}<ul>{{links}}</ul> 100 % {braces}")
    assert template.rendered(FIELDS) == (
        '<title>A title</title><p>Content.</p><ul><li><a href="/x">X</a></li>\n</ul> 100 % {braces}'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<p>{{title}}</p>", "content"),
        ("<p>{{content}}</p>", "title"),
        ("{{title}}{{content}}{{price}}", "price"),
        ("{{title}}{{content}}" + " " * MAX_BYTES, "at most"),
    ],
)
def test_a_template_that_cannot_be_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Template.of(text)


def test_a_template_is_read_from_a_file(tmp_path):
    file = tmp_path / "page.html"
    file.write_text("<h1>{{title}}</h1>{{content}}", encoding="utf-8")
    assert Template.read(file).rendered(FIELDS) == "<h1>A title</h1><p>Content.</p>"


def test_the_head_navigation_and_footer_of_a_page_are_learnt(article):
    page = learn(article).rendered(FIELDS)
    assert "<title>A title</title>" in page
    assert '<link rel="stylesheet" href="/style.css">' in page
    assert '<header class="top"><a href="/">The Harbour Gazette</a>' in page
    assert '<footer class="foot">The Harbour Gazette, since 1902</footer>' in page
    assert '<main id="main">\n<h1 class="headline">A title</h1>\n<p>Content.</p>' in page


def test_what_the_page_said_and_did_is_not_learnt(article):
    page = learn(article).rendered(FIELDS)
    for gone in ("tide mill", "oak", "script", "form", "csrf", "canonical", "og:title", "4711", "description"):
        assert gone not in page, gone


def test_the_content_looks_like_that_of_the_page(article, secret):
    body = DecoySite(secret, "gazette.example", template=learn(article)).page("/a/page").body.decode()
    assert body.count('<p class="lead">') >= 5
    assert body.count("<h1") == 1
    assert body.count("</main>") == 1


def test_the_longest_block_is_the_content_where_nothing_says_so():
    text = "<p>A long paragraph of the page.</p>" * 5
    page = f"<html><body><div class=a><p>Short.</p></div><div class=b>{text}</div></body></html>"
    assert learn(page).rendered(FIELDS).startswith("<html><body><div class=a><p>Short.</p></div><div class=b>\n<h1>")


@pytest.mark.parametrize(
    ("page", "message"), [("<p>Nothing but a paragraph", "write a template"), ("x" * (MAX_BYTES + 1), "too long")]
)
def test_a_page_without_content_is_refused(page, message):
    with pytest.raises(ValueError, match=message):
        learn(page)


TAGS = "<main>|</main>|<p>|</p>|<div>|</div>|<script>|</script>|<!--|-->|<title>|</title>|<form>|</form>|<svg>|</svg>"
pieces = st.sampled_from([*TAGS.split("|"), "text", "{{title}}", "{{x}}", "%s", "\n", "\r\n", '<p class="a">', "&amp;"])


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=40).map("".join))
def test_any_page_is_learnt_or_refused(page):
    try:
        template = learn(page)
    except ValueError:
        return
    assert "<p>Content.</p>" in template.rendered(FIELDS)


def test_lines_that_end_in_both_ways_are_counted_right():
    lines = [
        "<html>",
        "<head>",
        "<title>Old</title>",
        "</head>",
        "<body>",
        "<main>",
        "<p>Old text.</p></main>",
        "</body>",
    ]
    rendered = learn("\r\n".join(lines)).rendered(FIELDS)
    assert "<title>A title</title>" in rendered
    assert "Old" not in rendered
    assert re.search(r"<main>\n<h1>.*</ul>\n</main>\r\n</body>", rendered, re.DOTALL)
