from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from scrapeguard.asgi.announcing import Announcer
from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.core.decision import Mode
from scrapeguard.core.policy import Policy, SitePolicy, Use
from scrapeguard.guard import Guard

CLOSED = {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}
SAID = {"content-usage": "train-ai=n, ai-use=n", "tdm-reservation": "1", "x-robots-tag": "noai, noimageai"}
ANNOUNCER = Announcer(tuple((name.encode(), value.encode()) for name, value in SAID.items()))


def site(tmp_path, *, reservation=None):
    (tmp_path / "file.bin").write_bytes(b"x" * 1000)

    async def file(request):
        return FileResponse(tmp_path / "file.bin")

    async def stream(request):
        return StreamingResponse(iter(["a", "b"]))

    async def unchanged(request):
        return Response(status_code=304, headers={"etag": "x"})

    async def own(request):
        headers = {"Content-Usage": "train-ai=y", "X-Robots-Tag": "googlebot: nosnippet", "Link": "<a>; rel=b"}
        return PlainTextResponse("own", headers=headers)

    async def tdmrep(request):
        return reservation or Response(status_code=404)

    paths = {"/file": file, "/stream": stream, "/304": unchanged, "/own": own, "/.well-known/tdmrep.json": tdmrep}
    return Starlette(routes=[Route(path, handler) for path, handler in paths.items()])


def ask(app, path, method="GET", **headers):
    async def ask_one():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask_one())


@pytest.mark.parametrize(
    ("path", "method", "agent"),
    [
        ("/file", "GET", "Firefox"),
        ("/file", "HEAD", "Firefox"),
        ("/stream", "GET", "Firefox"),
        ("/304", "GET", "Firefox"),
        ("/absent", "GET", "Firefox"),
        ("/file", "GET", "GPTBot/1"),
        ("/robots.txt", "GET", "GPTBot/1"),
    ],
)
def test_every_response_says_it(guard, tmp_path, path, method, agent):
    response = ask(GuardMiddleware(site(tmp_path), guard), path, method, **{"user-agent": agent})
    assert {name: response.headers[name] for name in SAID} == SAID


def test_what_the_app_says_itself_stays(guard, tmp_path):
    response = ask(GuardMiddleware(site(tmp_path), guard), "/own")
    assert response.headers.get_list("content-usage") == ["train-ai=y"]
    assert response.headers.get_list("x-robots-tag") == ["googlebot: nosnippet", "noai, noimageai"]
    assert response.headers["link"] == "<a>; rel=b"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (b"noai", [b"noimageai"]),
        (b"noindex, NoAI", [b"noimageai"]),
        (b"noai, noimageai", []),
        (b"googlebot: noai", [b"noai, noimageai"]),
    ],
)
def test_no_directive_is_said_twice(theirs, ours):
    added = ANNOUNCER.added([(b"X-Robots-Tag", theirs)])
    assert [value for name, value in added if name == b"x-robots-tag"] == ours


def test_a_message_that_an_app_sends_again_is_not_changed():
    message = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
    sent = []

    async def send(out):
        sent.append(out)

    asyncio.run(ANNOUNCER.wrap(send)(message))
    assert message["headers"] == [(b"a", b"b")]
    assert len(sent[0]["headers"]) == 4


def test_where_nothing_is_enforced_nothing_is_said(catalogue, tmp_path):
    observed = GuardMiddleware(site(tmp_path), Guard(Policy(SitePolicy(CLOSED, mode=Mode.OBSERVE), catalogue)))
    assert not SAID.keys() & ask(observed, "/file").headers.keys()
    shared = GuardMiddleware(site(tmp_path), Guard(Policy(SitePolicy(dict.fromkeys(Use, True)), catalogue)))
    assert not SAID.keys() & ask(shared, "/file").headers.keys()


def test_each_site_says_its_own(catalogue, tmp_path):
    sites = {"open.example": SitePolicy(dict.fromkeys(Use, True))}
    guarded = GuardMiddleware(site(tmp_path), Guard(Policy(SitePolicy(CLOSED), catalogue, sites=sites)))
    assert "content-usage" not in ask(guarded, "/file", host="open.example").headers
    assert "content-usage" in ask(guarded, "/file", host="other.example").headers


def test_the_reservation_is_for_everybody(guard, tmp_path):
    response = ask(GuardMiddleware(site(tmp_path), guard), "/.well-known/tdmrep.json", **{"user-agent": "GPTBot"})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == [{"location": "/", "tdm-reservation": 1}]
    assert response.headers["etag"]


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        (JSONResponse([{"location": "/", "tdm-reservation": 0}]), True),
        (JSONResponse({"not": "a list"}), False),
        (PlainTextResponse("not JSON"), False),
        (PlainTextResponse("down", 500), False),
    ],
)
def test_an_own_reservation_of_the_app_stays(guard, tmp_path, own, kept):
    response = ask(GuardMiddleware(site(tmp_path, reservation=own), guard), "/.well-known/tdmrep.json")
    assert response.json() == [{"location": "/", "tdm-reservation": 0 if kept else 1}]


def test_a_site_that_shares_all_leaves_the_path_to_its_app(catalogue, tmp_path):
    guarded = GuardMiddleware(site(tmp_path), Guard(Policy(SitePolicy(dict.fromkeys(Use, True)), catalogue)))
    assert ask(guarded, "/.well-known/tdmrep.json").status_code == 404
