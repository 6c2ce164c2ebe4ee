"""Several sites behind one proxy: each with its upstream, policy, robots.txt and looks."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from scrapeguard.app import ScrapeGuard
from scrapeguard.cli.proxy import NamedUpstreams
from scrapeguard.proxy.relay import Relay
from scrapeguard.rulefile.load import load_policy

RULES = """version: 1
extends: default
verification: {{dns: off, refresh: off}}
events: {{log: off}}
traps: {{live: on, inject: on}}
decoys: {{serve: on, template: learn, host: blog.example}}
sites:
  blog.example:
    upstream: http://127.0.0.1:{blog}
    refusal: {{contact: blog@blog.example}}
  "*.shop.example":
    upstream: http://127.0.0.1:{shop}
    agents: {{GPTBot: allow}}
    refusal: {{contact: shop@shop.example}}
    decoys: {{template: shop.html}}
"""
BOT = {"user-agent": "NiceBot/1.0 (+https://nice.example)", "accept": "text/html"}
TRAP = r'<a href="(/[^"]+)" rel="nofollow" tabindex="-1"'


def site(name):
    async def page(request):
        text = "".join(f"<p>Paragraph {number} of {name}, which says something of its own.</p>" for number in range(4))
        return HTMLResponse(f'<html><head><title>{name}</title></head><body class="{name}"><main>{text}</main></body>')

    async def robots(request):
        return PlainTextResponse(f"User-agent: *\nDisallow: /{name}-only/\n")

    return Starlette(routes=[Route("/robots.txt", robots), Route("/{path:path}", page)])


@pytest.fixture
def ask(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests, long enough")
    ports = {name: stage.serve(site(name)) for name in ("blog", "shop")}
    (tmp_path / "shop.html").write_text("<html><body><p>THE SHOP<h1>{{title}}</h1>{{content}}</body></html>")
    (tmp_path / "sites.yaml").write_text(RULES.format(**ports))
    policy = load_policy(tmp_path / "sites.yaml")
    port = stage.serve(ScrapeGuard(Relay(NamedUpstreams.of([]).beside(policy)), policy))

    def ask(host, path="/", **headers):
        return httpx.get(f"http://127.0.0.1:{port}{path}", headers={**BOT, "host": host, **headers}, trust_env=False)

    return ask


@pytest.mark.parametrize(("host", "name"), [("blog.example", "blog"), ("a.shop.example", "shop")])
def test_each_host_has_its_pages_and_its_robots_txt(ask, host, name):
    assert f"Paragraph 1 of {name}" in ask(host).text
    robots = ask(host, "/robots.txt").text
    assert f"Disallow: /{name}-only/" in robots
    assert ("User-agent: GPTBot" in robots) == (name == "blog")
    refused = ask(host, **{"user-agent": "CCBot/2.0"})
    assert (refused.status_code, f"{name}@{name}.example" in refused.text) == (403, True)
    assert ask(host, **{"user-agent": "GPTBot/1.3"}).status_code == (403 if name == "blog" else 200)


def test_a_host_that_is_no_site_gets_421_and_is_told_of_once(ask, caplog):
    for number in range(30):
        assert ask(f"unknown{number // 2}.example").status_code == 421
    told = [message for message in caplog.messages if "421" in message and "`sites`" in message]
    assert [message.partition(" ")[0] for message in told] == [f"'unknown{number}.example'" for number in range(10)]
    assert "User-agent: GPTBot" in ask("unknown.example", "/robots.txt").text


def test_decoys_look_like_their_site(ask):
    trap = re.search(TRAP, ask("blog.example", "/a").text)[1]
    assert ask("blog.example", trap).status_code == 200
    until = time.monotonic() + 30
    while 'class="blog"' not in (decoy := ask("blog.example", "/x").text):
        assert time.monotonic() < until, "the template was never learnt"
        time.sleep(0.1)
    assert "Paragraph 1" not in decoy
    decoy = ask("a.shop.example", "/x").text
    assert "THE SHOP" in decoy
    assert "Paragraph 1" not in decoy
