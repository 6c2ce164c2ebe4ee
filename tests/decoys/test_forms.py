from __future__ import annotations

import pytest

from scrapeguard.decoys.forms import Form, form_of
from scrapeguard.decoys.maze import prefix_of, slug_of

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("path", "accept", "form"),
    [
        ("/", None, Form.HTML),
        ("/news/a-page", BROWSER, Form.HTML),
        ("/news/a-page", "*/*", Form.HTML),
        ("/news/a-page", "application/json", Form.JSON),
        ("/news/a-page", "text/html;q=0.4, application/json;q=0.9", Form.JSON),
        ("/news/a-page", "text/plain, text/html", Form.TEXT),
        ("/news/a-page", "application/json;q=0", Form.HTML),
        ("/news/a-page", "application/json;q=none", Form.HTML),
        ("/news/a-page", "text/markdown", Form.MARKDOWN),
        ("/api/v2/items", BROWSER, Form.JSON),
        ("/api/" + "x" * 500, None, Form.JSON),
        ("/wp-json/wp/v2/posts", None, Form.JSON),
        ("/data.JSON", None, Form.JSON),
        ("/feed", None, Form.RSS),
        ("/blog/feed/", None, Form.RSS),
        ("/index.xml", None, Form.RSS),
        ("/atom.xml", None, Form.ATOM),
        ("/blog.atom", None, Form.ATOM),
        ("/sitemap_index.xml", None, Form.SITEMAP),
        ("/notes.md", None, Form.MARKDOWN),
        ("/list.csv", None, Form.CSV),
        ("/logo.svg", None, Form.SVG),
        ("/photo.JPEG", None, Form.PNG),
        ("/static/site.css", "text/css,*/*;q=0.1", Form.CSS),
        ("/static/app.js", "*/*", Form.SCRIPT),
        ("/static/app.mjs", None, Form.SCRIPT),
        ("/page.jsp", None, Form.HTML),
        ("/page.html", "application/json", Form.HTML),
        ("/a.page", "application/json", Form.JSON),
    ],
)
def test_the_ending_decides_and_then_accept(path, accept, form):
    assert form_of(path, accept) is form


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("In praise of old bowls", "in-praise-of-old-bowls"),
        ("Wörter aus der Straße", "woerter-aus-der-strasse"),
        ("The potter\u2019s wheel?", "the-potters-wheel"),
        ("café " * 20, "cafe-" * 11 + "cafe"),
        ("…", "page"),
    ],
)
def test_slugs(title, slug):
    assert slug_of(title) == slug


@pytest.mark.parametrize(("prefix", "whole"), [("", "/"), ("/", "/"), ("archive", "/archive/"), ("/a/b/", "/a/b/")])
def test_prefixes(prefix, whole):
    assert prefix_of(prefix) == whole


def test_only_what_is_eaten_has_recipes(site):
    titles = [site.maze.link(number) for number in range(2000)]
    recipes = [link for link in titles if link.path.startswith("/recipes/")]
    assert 0 < len(recipes) < 60
