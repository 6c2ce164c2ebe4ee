from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from scrapeguard.asgi.announcing import Announcer
from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.asgi.refusal import RefusalPages
from scrapeguard.core.address import NETWORK_WORDS
from scrapeguard.core.aipref import preferences
from scrapeguard.core.decision import Mode
from scrapeguard.core.forwarded import Proxies
from scrapeguard.core.policy import Policy, Refusal, SitePolicy
from scrapeguard.core.robotsfile import MAX_SIZE
from scrapeguard.core.sharing import Use
from scrapeguard.guard import Guard
from scrapeguard.rulefile.load import load_policy

CLOSED = {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}
SAID = {"content-usage": "train-ai=n, ai-use=n", "tdm-reservation": "1", "x-robots-tag": "noai, noimageai"}
LICENSE = '<http://h/license.xml>; rel="license"; type="application/rsl+xml"'
HEADERS = tuple((name.encode(), value.encode()) for name, value in {**SAID, "link": LICENSE}.items())
PAGES = RefusalPages(Refusal())
ANNOUNCER = Announcer(HEADERS, PAGES)


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


BASES = ("http://a.example", "https://a.example", "https://b.example")


def ask(app, path, method="GET", base="http://h", **headers):
    async def ask_one():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
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
    assert response.headers["link"] == LICENSE


def test_what_the_app_says_itself_stays(guard, tmp_path):
    response = ask(GuardMiddleware(site(tmp_path), guard), "/own")
    assert response.headers.get_list("content-usage") == ["train-ai=y"]
    assert response.headers.get_list("x-robots-tag") == ["googlebot: nosnippet", "noai, noimageai"]
    assert response.headers.get_list("link") == ["<a>; rel=b", LICENSE]


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
    assert values(ANNOUNCER, b"x-robots-tag", (b"X-Robots-Tag", theirs)) == [theirs, *ours]


def values(announcer, name, *theirs):
    """The values of a header once ours are added to theirs."""
    return [value for key, value in announcer.added(theirs, {key.lower() for key, _ in theirs}) if key.lower() == name]


def test_an_own_licence_in_a_link_stays_alone():
    own = b'</terms.xml>; rel="license"; type="application/rsl+xml"'
    assert values(ANNOUNCER, b"link", (b"Link", b"<a>; rel=b"), (b"link", own)) == [b"<a>; rel=b", own]


def test_our_policy_does_not_go_with_their_reservation():
    policy = (b"tdm-policy", b"https://h.example/terms")
    announcer = Announcer(((b"tdm-reservation", b"1"), policy), PAGES)
    assert values(announcer, b"tdm-policy", (b"TDM-Reservation", b"0")) == []
    assert values(announcer, b"tdm-reservation", (b"TDM-Reservation", b"0")) == [b"0"]
    assert values(announcer, b"tdm-policy", (b"content-usage", b"train-ai=y")) == [policy[1]]


@pytest.mark.parametrize(
    ("theirs", "sent"),
    [
        ([b"train-ai=y"], b"train-ai=y, train-ai=n, ai-use=n"),
        ([b"search=n, train-ai=n"], b"search=n, train-ai=n, ai-use=n"),
        ([b"train-ai=y", b"search=n"], b"train-ai=y, search=n, train-ai=n, ai-use=n"),
        ([b"not a dictionary,,"], b"train-ai=n, ai-use=n"),
        # What is not ours to change stays as it is.
        ([b"later=n, ai-use=n;x=1, train-ai=n"], b"later=n, ai-use=n;x=1, train-ai=n"),
    ],
)
def test_the_stricter_is_sent_where_the_owner_wants_it(theirs, sent):
    announcer = Announcer(HEADERS, PAGES, tighten=True)
    said = values(announcer, b"content-usage", *((b"Content-Usage", value) for value in theirs))
    assert said == [sent]
    assert preferences(sent.decode())["train-ai"] is preferences(sent.decode())["ai-use"] is False


@pytest.mark.parametrize(("theirs", "ours", "sent"), [(b"0", b"1", b"1"), (b"1", b"0", b"1"), (b"x", b"0", b"0")])
def test_a_reservation_is_tightened_too(theirs, ours, sent):
    announcer = Announcer(((b"tdm-reservation", ours),), PAGES, tighten=True)
    assert values(announcer, b"tdm-reservation", (b"tdm-reservation", theirs)) == [sent]


PATHS = """
version: 1
extends: default
sharing: {paths: {/file: allow, /stream: {private: on, noindex: on}, /304: {train: allow}}}
"""


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/file", {"content-usage": "train-ai=y, ai-use=y", "tdm-reservation": "0"}),
        ("/stream", {**SAID, "x-robots-tag": "noai, noimageai, noindex"}),
        ("/304", {"content-usage": "train-ai=y, ai-use=n", "tdm-reservation": "1"}),
        ("/absent", SAID),
    ],
)
def test_each_path_says_its_own(catalogue, tmp_path, path, said):
    (tmp_path / "rules.yaml").write_text(PATHS)
    policy = load_policy(tmp_path / "rules.yaml", catalogue=catalogue)
    headers = ask(GuardMiddleware(site(tmp_path), Guard(policy)), path).headers
    names = ("content-usage", "tdm-reservation", "x-robots-tag")
    assert {name: headers[name] for name in names if name in headers} == said


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("h.example", '<http://h.example/license.xml>; rel="license"; type="application/rsl+xml"'),
        ("H.example:8000", '<http://h.example:8000/license.xml>; rel="license"; type="application/rsl+xml"'),
        ("[2001:db8::1]", '<http://[2001:db8::1]/license.xml>; rel="license"; type="application/rsl+xml"'),
        ('x>; rel="next', None),
        ("a b", None),
        ("x" * 300, None),
        ("", None),
    ],
)
def test_a_host_that_is_none_is_linked_to_nowhere(guard, tmp_path, host, link):
    assert ask(GuardMiddleware(site(tmp_path), guard), "/file", host=host).headers.get("link") == link


def test_the_licence_is_linked_to_by_the_scheme_that_a_trusted_proxy_names(catalogue, tmp_path):
    proxies = Proxies(NETWORK_WORDS["loopback"])
    guarded = GuardMiddleware(site(tmp_path), Guard(Policy(SitePolicy(CLOSED), catalogue, proxies=proxies)))
    told = {"x-forwarded-proto": "https"}
    assert ask(guarded, "/file", **told).headers["link"].startswith("<https://h/")
    stranger = GuardMiddleware(site(tmp_path), Guard(Policy(SitePolicy(CLOSED), catalogue)))
    assert ask(stranger, "/file", **told).headers["link"].startswith("<http://h/")


def test_the_licence_is_for_everybody(guard, tmp_path):
    guarded = GuardMiddleware(site(tmp_path), guard)
    response = ask(guarded, "/license.xml", **{"user-agent": "GPTBot"})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/rsl+xml")
    assert '<prohibits type="usage">ai-all</prohibits>' in response.text
    assert ask(guarded, "/robots.txt").text.startswith("License: http://h/license.xml\n")
    again = ask(guarded, "/license.xml", **{"if-none-match": response.headers["etag"]})
    assert again.status_code == 304


def test_a_host_cannot_write_lines_into_robots_txt(guard, tmp_path):
    text = ask(GuardMiddleware(site(tmp_path), guard), "/robots.txt", host="x y: z").text
    assert not text.startswith("License")
    assert "x y" not in text


OWN_LICENSE = '<?xml version="1.0"?><rsl xmlns="https://rslstandard.org/rsl"></rsl>'


@pytest.mark.parametrize(
    ("own", "kept"),
    [(OWN_LICENSE, True), ("<licence>of our software</licence>", True), ("<html>not found</html>", False), ("", False)],
)
def test_whatever_the_app_has_as_its_licence_stays(guard, own, kept):
    app = Starlette(routes=[Route("/license.xml", lambda request: Response(own, media_type="text/xml"))])
    response = ask(GuardMiddleware(app, guard), "/license.xml", **{"user-agent": "GPTBot"})
    assert response.status_code == 200
    assert (response.text == own) is kept
    assert ("ai-all" in response.text) is not kept
    assert response.headers["content-type"] == ("text/xml" if kept else "application/rsl+xml")


def test_a_licence_of_ours_at_an_address_of_the_owners(catalogue, tmp_path):
    rules = "version: 1\nextends: default\nopt-out: {rsl-license: 'https://me.example/license.xml'}\n"
    (tmp_path / "rules.yaml").write_text(rules)
    guarded = GuardMiddleware(site(tmp_path), Guard(load_policy(tmp_path / "rules.yaml", catalogue=catalogue)))
    assert ask(guarded, "/file").headers["link"].startswith("<https://me.example/license.xml>")
    assert "ai-all" in ask(guarded, "/license.xml").text


def test_each_site_and_scheme_has_its_own_address(guard, tmp_path):
    guarded = GuardMiddleware(site(tmp_path), guard)
    links = {ask(guarded, "/file", base=base).headers["link"].partition(">")[0] for base in BASES}
    licences = {ask(guarded, "/robots.txt", base=base).text.partition("\n")[0] for base in BASES}
    assert links == {f"<{base}/license.xml" for base in BASES}
    assert licences == {f"License: {base}/license.xml" for base in BASES}


def test_a_host_without_end_is_kept_nowhere(guard, tmp_path):
    guarded = GuardMiddleware(site(tmp_path), guard)
    for path in ("/file", "/robots.txt"):
        for number in range(3):
            assert ask(guarded, path, host=f"{number}{'x' * 10_000}").status_code == 200
    kept = [*guarded._announcements._voices, *guarded._files["/robots.txt"]._entries]
    assert not [key for key in kept if any(isinstance(part, str) and len(part) > 300 for part in key)]


def test_a_path_that_an_app_may_read_in_two_ways_says_the_stricter(catalogue, tmp_path):
    (tmp_path / "rules.yaml").write_text(PATHS)
    guarded = GuardMiddleware(site(tmp_path), Guard(load_policy(tmp_path / "rules.yaml", catalogue=catalogue)))
    response = raw_headers(guarded, "/stream/../file")
    assert response[b"x-robots-tag"] == b"noai, noimageai, noindex"


def raw_headers(app, path):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    asyncio.run(app({**scope, "headers": [(b"host", b"h")], "client": None}, None, send))
    return dict(sent[0]["headers"])


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


def test_a_licence_of_the_app_that_is_too_large_to_keep_is_left_to_it(guard):
    own = "<rsl>" + "x" * MAX_SIZE + "</rsl>"
    app = Starlette(routes=[Route("/license.xml", lambda request: Response(own, media_type="text/xml"))])
    assert ask(GuardMiddleware(app, guard), "/license.xml").text == own
