"""A site behind the guard for servers with several workers; the rule file is named by the environment."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from scrapeguard import ScrapeGuard


def page(request):
    return HTMLResponse(f"<html><head><link rel=stylesheet href=/site.css></head><h1>{request.url.path}</h1>")


site = Starlette(
    routes=[
        Route("/worker", lambda request: PlainTextResponse(str(os.getpid()))),
        Route("/site.css", lambda request: Response("h1 {}", media_type="text/css")),
        Route("/{path:path}", page),
    ]
)
app = ScrapeGuard(site, os.environ["RULES"])
