"""The way out for people who are refused: over a real server, with a real browser, and with clients that lie."""

from __future__ import annotations

import re
import threading
import time

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from scrapeguard.app import ScrapeGuard
from scrapeguard.asgi.passage import GO_ON, STYLE
from scrapeguard.core.ledger import MAX_CLICKS
from scrapeguard.core.request import Request
from scrapeguard.rulefile.load import load_policy

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
# Everything but Sec-Fetch-*, which weighs as much as it takes to be challenged.
STRIPPED = {
    "user-agent": CHROME,
    "accept": "text/html,*/*;q=0.8",
    "accept-language": "en",
    "accept-encoding": "gzip",
}
BARE = {"user-agent": CHROME, "accept": "text/html"}
QUIET = "version: 1\nextends: default\nevents: {log: off}\nverification: {dns: off, refresh: off}\n"


def site():
    def page(request):
        return HTMLResponse(
            f'<html><head><link rel=stylesheet href=/site.css></head><h1>{request.url.path}</h1><a href="/next">x</a>',
            headers={"cache-control": "private"},
        )

    return Starlette(
        routes=[
            Route("/site.css", lambda request: Response("h1 {}", media_type="text/css")),
            Route("/data.json", lambda request: JSONResponse({})),
            Route("/{path:path}", page, methods=["GET", "POST"]),
        ]
    )


@pytest.fixture
def serve(tmp_path, catalogue, monkeypatch):
    """Starts the site behind a rule file: its address."""
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests")
    started = []

    def begin(more="", app=None, **options):
        (tmp_path / "rules.yaml").write_text(QUIET + more)
        policy = load_policy(tmp_path / "rules.yaml", catalogue=catalogue)
        server = uvicorn.Server(
            uvicorn.Config(ScrapeGuard(app or site(), policy, **options), port=0, log_level="critical", lifespan="off")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            pass
        started.append((server, thread))
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield begin
    for server, thread in started:
        server.should_exit = True
        thread.join(10)


LIVE = "traps: {live: on, inject: on}\n"
FORM = r'<form method="post" action="([^"]+)"'
TRAP = r'<a href="(/[^"]+)" rel="nofollow" tabindex="-1"'
BOT = {"user-agent": "NiceBot/1.0 (+https://nice.example)", "accept": "text/html"}


def field(pattern, response):
    return re.search(pattern, response.text)[1]


def test_a_browser_gets_past_a_challenge_by_itself(serve, browser):
    """Its hints speak of another; it needs no script and is given no cookie."""
    address = serve()
    context = browser.new_context(java_script_enabled=False, user_agent=CHROME)
    page = context.new_page()

    context.set_extra_http_headers({"sec-ch-ua": '"Chromium";v="99"', "sec-ch-ua-platform": '"macOS"'})
    assert page.goto(f"{address}/a?b=c").status == 403
    page.get_by_role("heading", name="/a").wait_for()
    assert page.url == f"{address}/a?b=c"
    assert context.cookies() == []
    context.close()


def test_a_person_without_styles_presses_the_button(serve):
    """Whoever loads no style of the page, as a browser for text, gets on with one press."""
    address = serve()
    with httpx.Client(base_url=address, headers=STRIPPED) as client:
        refused = client.get("/a?b=c&d=%2F")
        assert refused.status_code == 403
        assert refused.headers["cache-control"] == "private, no-store"
        pressed = client.post(field(FORM, refused).replace("&amp;", "&"))
        assert (pressed.status_code, pressed.headers["location"]) == (303, "/a?b=c&d=%2F")
        assert client.get(pressed.headers["location"]).status_code == 200
        assert client.get("/another").status_code == 200


def test_loading_the_style_leads_on(serve):
    address = serve()
    with httpx.Client(base_url=address, headers=STRIPPED) as client:
        refused = client.get("/a")
        style = field(r'href="([^"]+style\.css[^"]+)"', refused)
        later = field(r'url=([^"]+)"', refused).replace("&amp;", "&")
        waiting = client.get(later)
        assert waiting.status_code == 403
        assert "<button>" in waiting.text
        assert "http-equiv" not in waiting.text
        assert client.get(style).headers["content-type"] == "text/css"
        went = client.get(later)
        assert (went.status_code, went.headers["location"]) == (303, "/a")
        assert client.get("/a").status_code == 200


def test_what_was_made_for_one_client_helps_no_other(serve):
    address = serve()
    refused = httpx.get(f"{address}/a", headers=STRIPPED)
    style = field(r'href="([^"]+style\.css[^"]+)"', refused)
    other = {**STRIPPED, "accept-language": "de"}
    assert httpx.get(address + style, headers=other).status_code == 200
    httpx.post(address + field(FORM, refused).replace("&amp;", "&"), headers=other)
    assert httpx.get(f"{address}/a", headers=other).status_code == 403
    assert httpx.get(f"{address}{STYLE}?t=made-up", headers=STRIPPED).status_code == 200
    assert httpx.get(f"{address}/a", headers=STRIPPED).status_code == 403


@pytest.mark.parametrize(
    "to", ["//evil.example/", "https://evil.example/", "/\\evil.example", "", "javascript:1", "/x\r\nset-cookie: a=b"]
)
def test_nobody_is_led_to_another_site(serve, to):
    address = serve()
    refused = httpx.get(f"{address}/a", headers=STRIPPED)
    token = field(r"go-on\?t=(\w+)", refused)
    pressed = httpx.post(address + GO_ON, headers=STRIPPED, params={"t": token, "to": to})
    assert pressed.status_code == 303
    assert pressed.headers["location"].startswith("/")
    assert not pressed.headers["location"].startswith(("//", "/\\"))
    assert "set-cookie" not in pressed.headers


def test_the_button_may_be_pressed_a_few_times_only(serve):
    later = []
    address = serve(LIVE, monotonic=lambda: time.monotonic() + sum(later))
    with httpx.Client(base_url=address, headers=BOT) as client:
        trap = field(TRAP, client.get("/a"))
        for _ in range(MAX_CLICKS):
            client.post(field(FORM, client.get(trap)).replace("&amp;", "&"))
            later.append(10.0)
            assert client.get("/a").status_code == 200
        assert "<button>" not in client.get(trap).text
        assert client.get("/a").status_code == 403


def test_a_refusal_by_score_has_a_button_and_that_of_a_name_has_none(serve):
    address = serve()
    refused = httpx.get(f"{address}/a", headers=BARE)
    assert refused.status_code == 403
    assert "<button>" in refused.text
    assert "http-equiv" not in refused.text
    named = httpx.get(f"{address}/a", headers={"user-agent": "GPTBot/1.3", "accept": "text/html"})
    assert named.status_code == 403
    assert "<button>" not in named.text


def test_a_challenge_of_a_form_leads_to_the_front_page_and_repeats_nothing(serve):
    address = serve(
        "rules: [{name: asked, when: {path: /form}, action: challenge}]\nthresholds: {40: observe, 100: block}\n"
    )
    answer = httpx.post(f"{address}/form", headers=STRIPPED, data={"a": "b"})
    assert answer.status_code == 403
    assert "http-equiv" not in answer.text
    assert field(FORM, answer).endswith("to=%2F")


def test_who_asks_for_no_page_gets_words_for_machines(serve):
    address = serve("rules: [{name: asked, when: {path: /data.json}, action: challenge}]\n")
    answer = httpx.get(f"{address}/data.json", headers={"user-agent": "curl/8.0", "accept": "application/json"})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_client_over_its_rate_is_told_when_to_come_again(serve):
    address = serve("rules: [{name: slow, when: {path: /api/, rate: 5/min}, action: throttle}]\n")
    answers = [httpx.get(f"{address}/api/x", headers={"user-agent": "curl/8.0"}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[-1].headers["retry-after"] == "60"
    assert answers[-1].headers["cache-control"] == "private, no-store"
    assert httpx.get(f"{address}/other", headers={"user-agent": "curl/8.0"}).status_code == 200


def test_a_search_engine_that_nobody_could_check_gets_a_few_pages_a_minute(serve):
    address = serve()
    agent = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
    answers = [httpx.get(f"{address}/{number}", headers=agent).status_code for number in range(15)]
    assert answers == [200] * 10 + [429] * 5


@pytest.mark.parametrize(
    ("trust", "more"),
    [
        ("{cookie: session}", {"cookie": "a=b; session=x"}),
        ("{header: {X-Key: [letmein, 'k*']}}", {"x-key": "K-1"}),
        ("{network: 127.0.0.0/8}", {}),
    ],
)
def test_who_is_trusted_is_not_scored(serve, trust, more):
    address = serve(f"trust: {trust}\n")
    assert httpx.get(f"{address}/a", headers={**BARE, **more}).status_code == 200
    named = {"user-agent": "GPTBot/1.3", **more}
    assert httpx.get(f"{address}/a", headers=named).status_code == 403


def test_who_lacks_what_is_trusted_is_scored(serve):
    address = serve("trust: {cookie: session, header: {x-key: k}, network: 192.0.2.0/24}\n")
    headers = {**BARE, "cookie": "sessions=x", "x-key": "kk"}
    assert httpx.get(f"{address}/a", headers=headers).status_code == 403


def test_a_bot_that_follows_a_trap_is_refused_from_then_on(serve):
    address = serve(LIVE)
    page = httpx.get(f"{address}/a", headers=BOT)
    assert page.status_code == 200
    trap = field(TRAP, page)
    assert httpx.get(address + trap, headers=BOT).status_code == 403
    after = httpx.get(f"{address}/b", headers=BOT)
    assert after.status_code == 403
    assert httpx.get(f"{address}/b", headers={**BOT, "user-agent": "OtherBot/1.0"}).status_code == 200


def test_a_trap_is_closed_to_all_in_robots_txt(serve):
    address = serve(LIVE)
    trap = field(TRAP, httpx.get(f"{address}/a", headers=BOT))
    section = trap.rpartition("/")[0] + "/"
    robots = httpx.get(f"{address}/robots.txt").text
    assert f"User-agent: *\nDisallow: {section}" in robots.replace("Content-Signal", "\nContent-Signal")


def test_whose_trap_another_follows_belongs_to_it(serve):
    address = serve(LIVE)
    first = {**BOT, "user-agent": "FirstBot/1.0"}
    trap = field(TRAP, httpx.get(f"{address}/a", headers=first))
    httpx.get(address + trap, headers=BOT)
    assert httpx.get(f"{address}/b", headers=first).status_code == 403
    assert httpx.get(f"{address}/b", headers=BOT).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": CHROME, "sec-purpose": "prefetch;prerender", **STRIPPED},
        {"user-agent": "facebookexternalhit/1.1"},
    ],
)
def test_who_fetches_ahead_or_for_others_answers_for_nothing(serve, headers):
    address = serve(LIVE)
    trap = field(TRAP, httpx.get(f"{address}/a", headers=BOT))
    assert httpx.get(address + trap, headers=headers).status_code == 403
    assert httpx.get(f"{address}/data.json", headers=headers).status_code == 200


def test_a_person_in_a_trap_is_told_so_and_goes_on(serve, browser):
    address = serve(LIVE)
    trap = field(TRAP, httpx.get(f"{address}/a", headers=BOT))
    context = browser.new_context(user_agent=CHROME.replace("142", browser.version.partition(".")[0]))
    page = context.new_page()
    assert page.goto(address + trap).status == 403
    assert "trap" in page.get_by_role("main").inner_text()
    page.get_by_role("button").click()
    page.goto(f"{address}/a")
    page.get_by_role("heading", name="/a").wait_for()
    context.close()


def test_no_person_comes_upon_a_trap(serve, browser):
    """Not with the eyes, not with the keys, not with a screen reader."""
    address = serve(LIVE)
    context = browser.new_context(user_agent=CHROME.replace("142", browser.version.partition(".")[0]))
    page = context.new_page()
    page.goto(f"{address}/a")
    hidden = page.locator('a[rel="nofollow"]')
    assert hidden.count() == 1
    assert not hidden.is_visible()
    assert page.get_by_role("link").count() == 1
    reached = set()
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('href')"))
    assert reached <= {"/next", None}
    context.close()


def test_a_template_places_the_link_itself(serve):
    def page(request):
        return HTMLResponse(f"<p>x{request.scope['scrapeguard'].trap_link()}y")

    address = serve("traps: {live: on}\n", Starlette(routes=[Route("/{path:path}", page)]))
    answer = httpx.get(f"{address}/a", headers=BOT)
    assert answer.text.startswith("<p>x<div hidden inert><a href=")
    assert answer.text.endswith("</div>y")
    assert httpx.get(address + field(TRAP, answer), headers=BOT).status_code == 403
    plain = serve("", Starlette(routes=[Route("/{path:path}", page)]))
    assert httpx.get(f"{plain}/a", headers=BOT).text == "<p>xy"


def answers(**kinds):
    """An app with an answer for each path."""
    return Starlette(routes=[Route(f"/{name}", lambda request, kind=kind: kind()) for name, kind in kinds.items()])


def test_a_link_is_put_into_whole_pages_only(serve):
    html = {"content-type": "text/html"}
    app = answers(
        page=lambda: Response(b"<p>1", headers={**html, "etag": '"x"', "accept-ranges": "bytes"}),
        weak=lambda: Response(b"<p>1", headers={**html, "etag": 'W/"x"'}),
        text=lambda: Response(b"<p>1", headers={"content-type": "text/plain"}),
        coded=lambda: Response(b"<p>1", headers={**html, "content-encoding": "identity"}),
        digest=lambda: Response(b"<p>1", headers={**html, "content-digest": "sha-256=:x:"}),
        fixed=lambda: Response(b"<p>1", headers={**html, "cache-control": "no-transform"}),
        missing=lambda: Response(b"<p>1", status_code=404, headers=html),
        stream=lambda: StreamingResponse(iter([b"<p>", b"1"]), headers=html),
    )
    address = serve(LIVE, app)
    got = {name: httpx.get(f"{address}/{name}", headers=BOT) for name in ("page", "weak", "stream")}
    for answer in got.values():
        assert answer.text.startswith("<p>1<div hidden inert>")
    assert got["page"].headers["etag"] == got["weak"].headers["etag"] == 'W/"x"'
    assert "accept-ranges" not in got["page"].headers
    assert int(got["page"].headers["content-length"]) == len(got["page"].content)
    for name in ("text", "coded", "digest", "fixed", "missing"):
        assert httpx.get(f"{address}/{name}", headers=BOT).text == "<p>1"
    head = httpx.head(f"{address}/page", headers=BOT)
    assert "content-length" not in head.headers
    for part in ({"accept": "*/*"}, {"sec-fetch-dest": "empty"}, {"accept": "application/json"}):
        assert httpx.get(f"{address}/page", headers={**BOT, **part}).text == "<p>1"
    welcome = httpx.get(f"{address}/page", headers={**BOT, "user-agent": "Miniflux/2.2.4"})
    assert welcome.text == "<p>1"
    assert welcome.headers["etag"] == '"x"'


def test_a_page_that_others_may_keep_speaks_of_nobody(serve):
    html = {"content-type": "text/html"}
    app = answers(
        kept=lambda: Response(b"<p>1", headers={**html, "cache-control": "public, max-age=60"}),
        old=lambda: Response(b"<p>1", headers={**html, "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT"}),
        own=lambda: Response(b"<p>1", headers={**html, "cache-control": "private"}),
        again=lambda: Response(b"<p>1", headers={**html, "cache-control": "no-cache"}),
    )
    address = serve(LIVE, app)
    traps = {
        name: {
            field(TRAP, httpx.get(f"{address}/{name}", headers={**BOT, "user-agent": f"Bot{n}/1"})) for n in range(3)
        }
        for name in ("kept", "old", "own", "again")
    }
    assert {name: len(some) for name, some in traps.items()} == {"kept": 1, "old": 1, "own": 3, "again": 1}
    (kept,) = traps["kept"]
    assert httpx.get(address + kept, headers=BOT).status_code == 403
    assert httpx.get(f"{address}/own", headers=BOT).status_code == 403
    assert httpx.get(f"{address}/own", headers={**BOT, "user-agent": "Bot1/1"}).status_code == 200


def test_who_reads_robots_txt_and_breaks_it_is_refused(serve):
    own = "User-agent: *\nDisallow: /search\n"
    app = answers(
        **{"robots.txt": lambda: PlainTextResponse(own), "search": lambda: Response(b"x"), "a": lambda: Response(b"x")}
    )
    address = serve("", app)
    assert httpx.get(f"{address}/search", headers=BOT).status_code == 200
    robots = httpx.get(f"{address}/robots.txt", headers=BOT)
    assert httpx.get(f"{address}/a", headers=BOT).status_code == 200
    assert httpx.get(f"{address}/search?q=1", headers=BOT).status_code == 403
    assert httpx.get(f"{address}/a", headers=BOT).status_code == 403
    again = httpx.get(f"{address}/robots.txt", headers={**BOT, "if-none-match": robots.headers["etag"]})
    assert again.status_code == 304
    tool = {"user-agent": "curl/8.0"}
    httpx.get(f"{address}/robots.txt", headers=tool)
    assert {httpx.get(f"{address}/search?q={n}", headers=tool).status_code for n in range(3)} == {200}
    assert httpx.get(f"{address}/search/more", headers=tool).status_code == 403


@pytest.mark.parametrize("agent", ["UptimeRobot/2.0", "Miniflux/2.2.4", "facebookexternalhit/1.1"])
def test_machines_that_others_send_answer_for_no_robots_txt(serve, agent):
    address = serve("rules: [{name: closed, when: {path: /closed}, action: block}]\n")
    asked = {"user-agent": agent}
    httpx.get(f"{address}/robots.txt", headers=asked)
    httpx.get(f"{address}/closed", headers=asked)
    assert httpx.get(f"{address}/a", headers=asked).status_code == 200


def test_what_scripts_of_a_page_ask_for_breaks_no_robots_txt(serve):
    address = serve("")
    person = {**STRIPPED, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
    person |= {"sec-ch-ua": '"Chromium";v="142"'}
    httpx.get(f"{address}/robots.txt", headers=person)
    assert {httpx.get(f"{address}/closed/{n}", headers=person).status_code for n in range(6)} == {200}


def test_a_person_who_looks_at_robots_txt_reads_on(serve, browser):
    address = serve("", None)
    context = browser.new_context(user_agent=CHROME.replace("142", browser.version.partition(".")[0]))
    page = context.new_page()
    page.goto(f"{address}/robots.txt")
    for path in ("/a", "/b", "/c"):
        assert page.goto(address + path).status == 200
    context.close()


def test_metrics_tell_what_to_watch(tmp_path, catalogue, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests")
    (tmp_path / "rules.yaml").write_text(QUIET + f"store: 'sqlite:{tmp_path}/state.db'\n")
    guarded = ScrapeGuard(site(), load_policy(tmp_path / "rules.yaml", catalogue=catalogue))
    guarded.guard.assess(Request.of("/a", headers=STRIPPED, peer="192.0.2.1"))
    metrics = guarded.metrics()
    assert metrics.pop("list_age_seconds") > 0
    assert metrics == {
        "errors": 0,
        "reverse_dns_dropped": 0,
        "store_failures": 0,
        "exchange_dropped": 0,
        "clients": 1,
        "offenders": 0,
    }
