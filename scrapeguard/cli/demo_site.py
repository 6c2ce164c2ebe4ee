"""A small site for the demo: a front page, articles, a feed and a stylesheet."""

from __future__ import annotations

import html

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

_ARTICLES = {
    "tide-mill": (
        "The tide mill runs again",
        "After eleven years of repair the mill at the harbour grinds flour on every ebb. "
        "The wheel is new oak, the stones are those of 1832.",
    ),
    "night-train": (
        "A night train back on the timetable",
        "From the second week of May a sleeper leaves the central station at 22.40. "
        "Bicycles travel for free, breakfast comes with the last tunnel.",
    ),
    "allotments": (
        "Forty allotments and one well",
        "The gardeners behind the depot share a single well. "
        "How they settle who waters when is written in a book that goes back to 1951.",
    ),
}

_STYLE = """:root { color-scheme: light dark; }
body { font: 1.1rem/1.6 Georgia, serif; max-width: 38rem; margin: 3rem auto; padding: 0 1rem; }
header, footer { font-family: system-ui, sans-serif; font-size: .9rem; }
a { color: inherit; }
"""


def demo_site() -> Starlette:
    """The site as an ASGI app."""
    return Starlette(
        routes=[
            Route("/", _front),
            Route("/articles/{name}", _article),
            Route("/feed.xml", _feed),
            Route("/style.css", _style),
        ]
    )


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/style.css">'
        '<link rel="alternate" type="application/rss+xml" href="/feed.xml"></head>\n<body>'
        '<header><a href="/">The Harbour Gazette</a></header>'
        f"<main><h1>{html.escape(title)}</h1>\n{body}</main><footer>A sample site.</footer></body></html>\n"
    )


async def _front(request: Request) -> Response:
    items = (f'<li><a href="/articles/{name}">{html.escape(title)}</a></li>' for name, (title, _) in _ARTICLES.items())
    return _page("The Harbour Gazette", f"<ul>{''.join(items)}</ul>")


async def _article(request: Request) -> Response:
    article = _ARTICLES.get(request.path_params["name"])
    if article is None:
        return PlainTextResponse("Not found\n", 404)
    return _page(article[0], f"<p>{html.escape(article[1])}</p>")


async def _feed(request: Request) -> Response:
    items = "".join(
        f"<item><title>{html.escape(title)}</title><link>/articles/{name}</link></item>"
        for name, (title, _) in _ARTICLES.items()
    )
    feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>The Harbour Gazette</title>{items}</channel></rss>'
    return Response(feed, media_type="application/rss+xml")


async def _style(request: Request) -> Response:
    return Response(_STYLE, media_type="text/css")
