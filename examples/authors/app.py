"""A site of several authors, each of whom can refuse AI by a toggle.

Run it: uvicorn --factory examples.authors.app:create_app
Then open http://127.0.0.1:8000/settings, move the toggle, and be an assistant:
curl -A Claude-User http://127.0.0.1:8000/@ada/
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from scrapeguard import ScrapeGuard, load_policy

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 8vh auto; padding: 0 1.25rem; }}
nav a {{ margin-right: 1rem; }}
label {{ display: flex; gap: .75rem; align-items: center; margin: 1.5rem 0; }}
input[type=checkbox] {{ width: 1.4rem; height: 1.4rem; }}
[role=status] {{ border-left: .25rem solid #2a7; padding-left: .75rem; }}
</style>
</head>
<body>
<nav><a href="/">All authors</a><a href="/settings">Your settings</a></nav>
<main><h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
TOGGLE = """<form method="post">
<label><input type="checkbox" name="refuse-ai" {checked}> Do not let AI use what I write</label>
<button>Save</button>
</form>
<p>Crawlers and assistants of AI are then refused your pages. The pages say so to everyone who fetches them, and
<a href="/robots.txt">robots.txt</a> lists them soon. People and search engines notice nothing.</p>
"""


@dataclass
class Author:
    """Somebody who writes here."""

    name: str
    poem: str
    refuses_ai: bool = False

    @property
    def path(self) -> str:
        """Where all that they write stands."""
        return f"/@{self.name.lower()}/"


class Site:
    """The pages, and who wrote them. Sign-in is left out: whoever comes is the first author."""

    def __init__(self) -> None:
        poems = {"Ada": "The engine weaves its patterns as the loom weaves leaves.", "Bob": "A boat, a bay, a bird."}
        self.authors = {name.lower(): Author(name, poem) for name, poem in poems.items()}

    async def front(self, request: Request) -> Response:
        """Everybody who writes here."""
        items = "".join(f'<li><a href="{a.path}">{a.name}</a></li>' for a in self.authors.values())
        return page("Authors", f"<ul>{items}</ul>")

    async def author(self, request: Request) -> Response:
        """What one of them wrote; marked where they refuse AI."""
        author = self.authors.get(request.path_params["name"])
        if author is None:
            raise HTTPException(404)
        if author.refuses_ai:
            request.scope["scrapeguard"].refuse_ai()
        return page(author.name, f"<p>{html.escape(author.poem)}</p>")

    async def settings(self, request: Request) -> Response:
        """The toggle."""
        me = self.authors["ada"]
        if request.method == "POST":
            me.refuses_ai = "refuse-ai" in parse_qs((await request.body())[:1000].decode("latin-1"))
            return RedirectResponse("/settings?saved", status_code=303)
        saved = '<p role="status">Saved.</p>' if "saved" in request.query_params else ""
        return page(f"Settings of {me.name}", saved + TOGGLE.format(checked="checked" if me.refuses_ai else ""))

    async def refused_paths(self) -> list[str]:
        """For robots.txt, and to refuse before the app is asked: where the authors stand who refuse AI."""
        return [author.path for author in self.authors.values() if author.refuses_ai]


def page(title: str, body: str) -> HTMLResponse:
    """A page in the looks of the site."""
    return HTMLResponse(PAGE.format(title=html.escape(title), body=body))


def create_app() -> ScrapeGuard:
    """The site behind its guard."""
    site = Site()
    routes = [
        Route("/", site.front),
        Route("/@{name}/", site.author),
        Route("/settings", site.settings, methods=["GET", "POST"]),
    ]
    rules = load_policy(Path(__file__).with_name("scrapeguard.yaml"))
    return ScrapeGuard(Starlette(routes=routes), rules, refused_paths=site.refused_paths, refused_paths_every=2.0)
