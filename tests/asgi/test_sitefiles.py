from __future__ import annotations

import asyncio
from inspect import isfunction

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.asgi.ownfile import fetch
from scrapeguard.asgi.sitefiles import FRESH, RETRY
from scrapeguard.core.robotsfile import MAX_SIZE

OWN = "User-agent: *\nDisallow: /admin/\n\nUser-agent: GPTBot\nAllow: /\n\nSitemap: https://h.example/sitemap.xml\n"


class Site:
    """A site whose robots.txt is what a test says it is, and which counts how often it was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self.app = Starlette(
            routes=[
                Route("/robots.txt", self._robots),
                Route("/real/robots.txt", self._real),
                Route("/loop", self._loop),
            ]
        )

    async def _robots(self, request):
        self.asked.append(request)
        return self.answer() if isfunction(self.answer) else self.answer

    async def _real(self, request):
        return PlainTextResponse(OWN)

    async def _loop(self, request):
        return RedirectResponse("/robots.txt")


def ask(app, *requests, **more):
    """The answers to several requests for /robots.txt, one after the other."""

    async def ask_all():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://h.example", **more) as client:
            return [
                await client.request(r.get("method", "GET"), "/robots.txt", headers=r.get("headers")) for r in requests
            ]

    return asyncio.run(ask_all())


@pytest.fixture
def guarded(guard):
    def guarded(answer, **options):
        site = Site(answer)
        return site, GuardMiddleware(site.app, guard, **options)

    return guarded


def test_it_is_merged_with_the_apps_own(guarded):
    site, app = guarded(PlainTextResponse(OWN))
    (response,) = ask(app, {"headers": {"user-agent": "GPTBot/1.3", "cookie": "a=b", "range": "bytes=0-3"}})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    licence, refused, *rest = response.text.split("\n\n")
    assert licence == "License: http://h.example/license.xml"
    assert "User-agent: GPTBot\n" in refused
    assert refused.endswith("Disallow: /")
    assert rest == [
        "User-agent: *\nDisallow: /admin/\nContent-Usage: train-ai=n, ai-use=n\n"
        "Content-Signal: search=yes, ai-input=no, ai-train=no",
        "Sitemap: https://h.example/sitemap.xml\n",
    ]
    (request,) = site.asked
    assert {"cookie", "range"} & set(request.headers) == set()
    assert request.headers["host"] == "h.example"


def test_it_is_kept_and_conditional(guarded):
    site, app = guarded(PlainTextResponse(OWN))
    first, head = ask(app, {}, {"method": "HEAD"})
    assert head.headers["etag"] == first.headers["etag"]
    assert (head.text, head.headers["content-length"]) == ("", first.headers["content-length"])
    (same,) = ask(app, {"headers": {"if-none-match": first.headers["etag"]}})
    assert (same.status_code, same.text) == (304, "")
    assert len(site.asked) == 1


def test_the_app_is_asked_anew_after_a_while(guarded):
    now = [0.0]
    site, app = guarded(
        lambda: PlainTextResponse(f"User-agent: *\nDisallow: /v{len(site.asked)}\n"), monotonic=lambda: now[0]
    )
    texts = []
    for moment in (0, FRESH - 1, FRESH + 1):
        now[0] = moment
        texts.append(ask(app, {})[0].text)
    assert ["Disallow: /v1" in text for text in texts] == [True, True, False]
    assert "Disallow: /v2" in texts[2]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_none_of_its_own_is_none(guarded, status):
    _, app = guarded(PlainTextResponse("User-agent: *\nDisallow: /\n", status))
    (response,) = ask(app, {})
    assert response.status_code == 200
    assert "User-agent: *\nDisallow:\nContent-Usage:" in response.text


@pytest.mark.parametrize(
    "page", [HTMLResponse("<p>User-agent: *</p>"), Response("\n <!DOCTYPE html><title>app</title>", media_type=None)]
)
def test_a_page_is_no_robots_txt(guarded, page):
    _, app = guarded(page)
    assert "<" not in ask(app, {})[0].text


def test_an_app_that_fails_keeps_its_last_good_file(guarded):
    now, answers = [0.0], [PlainTextResponse(OWN)]
    site, app = guarded(lambda: answers[0], monotonic=lambda: now[0])
    good = ask(app, {})[0].text
    now[0], answers[0] = FRESH + 1, PlainTextResponse("down", 503)
    assert ask(app, {}, {})[1].text == good
    assert len(site.asked) == 2
    now[0] += RETRY
    answers[0] = PlainTextResponse("User-agent: *\nDisallow: /new\n")
    assert "Disallow: /new" in ask(app, {})[0].text


def test_an_app_that_never_was_well_passes_its_error_on(guarded):
    _, app = guarded(PlainTextResponse("down", 503))
    (response,) = ask(app, {})
    assert (response.status_code, response.headers["cache-control"]) == (503, "private, no-store")


def test_an_exception_in_the_app_is_an_error_too(guarded):
    def broken():
        raise RuntimeError("theirs")

    _, app = guarded(broken)
    assert ask(app, {})[0].status_code == 500


@pytest.mark.parametrize(
    ("location", "merged"),
    [
        ("/real/robots.txt", True),
        ("http://h.example/real/robots.txt", True),
        ("https://elsewhere.example/robots.txt", False),
        ("ftp://h.example/robots.txt", False),
        ("/loop", False),
    ],
)
def test_redirects_are_followed_inside_the_site(guarded, location, merged):
    _, app = guarded(RedirectResponse(location))
    (response,) = ask(app, {})
    assert response.status_code == 200
    assert ("Disallow: /admin/" in response.text) is merged


def test_each_host_has_its_own(guarded):
    site, app = guarded(lambda: PlainTextResponse(f"User-agent: *\nDisallow: /{site.asked[-1].headers['host']}\n"))
    texts = [response.text for response in ask(app, {"headers": {"host": "a"}}, {"headers": {"host": "b:80"}})]
    assert "Disallow: /a\n" in texts[0]
    assert "Disallow: /b:80\n" in texts[1]


def test_hosts_that_strangers_make_up_are_merged_once(guarded, monkeypatch):
    merges = []
    site, app = guarded(PlainTextResponse(OWN))
    file = app._files["/robots.txt"]
    monkeypatch.setattr(file, "_make", lambda *asked: merges.append(asked) or b"made")
    texts = {response.text for response in ask(app, *({"headers": {"host": f"h{n}"}} for n in range(50)))}
    assert (texts, len(merges), len(site.asked)) == ({"made"}, 1, 50)


def test_a_file_without_end_is_read_within_bounds(guarded):
    _, app = guarded(PlainTextResponse("User-agent: *\n" + "Disallow: /a\n" * 200_000))
    assert len(ask(app, {})[0].content) < MAX_SIZE + 10_000


def test_a_file_response_is_read_whatever_the_server_could_send_itself(guarded, tmp_path):
    path = tmp_path / "robots.txt"
    path.write_text(OWN)
    site, _ = guarded(FileResponse(path, media_type="text/plain"))
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"host", b"h.example")],
        "extensions": {"http.response.pathsend": {}, "http.response.debug": {}},
    }

    async def receive():
        return await asyncio.Event().wait()

    own = asyncio.run(fetch(site.app, scope, receive, "/robots.txt", limit=1000))
    assert (own.status, own.media_type, own.body.decode()) == (200, "text/plain", OWN)


def test_a_client_that_goes_away_ends_the_question_to_the_app(guarded):
    heard = []

    async def app(scope, receive, send):
        heard.append(await receive())
        heard.append(await receive())
        raise ConnectionError("gone")

    messages = [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    scope = {"type": "http", "method": "GET", "headers": []}
    assert asyncio.run(fetch(app, scope, receive, "/robots.txt", limit=10)).status == 500
    assert [message["type"] for message in heard] == ["http.request", "http.disconnect"]


def test_an_error_of_ours_still_serves_what_the_policy_says(guarded, monkeypatch, caplog):
    _, app = guarded(PlainTextResponse(OWN))
    monkeypatch.setattr(app._files["/robots.txt"], "answer", None)
    (response,) = ask(app, {})
    assert "User-agent: GPTBot" in response.text
    assert app.errors == 1
    assert "could not be merged" in caplog.text


def test_each_answer_of_the_app_is_merged_anew_however_many_came_before(guard):
    """What was made of an answer that is forgotten must not be taken for what another comes to."""
    now = [0.0]
    answers = iter(range(3_000))
    site = Site(lambda: PlainTextResponse(f"User-agent: *\nDisallow: /{next(answers)}/\n"))
    app = GuardMiddleware(site.app, guard, monotonic=lambda: now[0])

    async def run():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://h.example") as client:
            for number in range(40):
                text = (await client.get("/robots.txt")).text
                assert f"Disallow: /{number}/\n" in text
                app._files["/robots.txt"]._owned = type(app._files["/robots.txt"]._owned)(1)
                now[0] += FRESH + 1

    asyncio.run(run())
