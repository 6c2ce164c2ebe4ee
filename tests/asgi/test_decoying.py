"""Decoys as they are served: to whom, which, within which budget, and that nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
import time
from contextlib import closing

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

import scrapeguard
from scrapeguard.app import ScrapeGuard
from scrapeguard.asgi.decoying import Decoy, Decoying, Drip
from scrapeguard.canaries.canary import page_ids
from scrapeguard.core.budget import Budget
from scrapeguard.core.decision import Action, Decision
from scrapeguard.core.request import Request
from scrapeguard.deceit import open_provenance
from scrapeguard.errors import PolicyError
from scrapeguard.rulefile.load import load_policy
from scrapeguard.telemetry.provenance import Page, Served
from scrapeguard.telemetry.provenanceread import ProvenanceReader
from scrapeguard.verification.lists import packaged_lists

SECRET = "a secret of the tests, long enough"
RULES = """version: 1
extends: default
events: {log: off}
verification: {dns: off, refresh: off}
traps: {live: on, inject: on}
"""
BOT = {"user-agent": "NiceBot/1.0 (+https://nice.example)", "accept": "text/html"}
FIREFOX = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-US,en;q=0.5",
    "accept-encoding": "gzip, deflate, br",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "none",
}
TRAP = r'<a href="(/[^"]+)" rel="nofollow" tabindex="-1"'


def site():
    def page(request):
        if request.url.hostname == "bare.example":
            return PlainTextResponse("nothing to learn", 404)
        paragraphs = "".join(
            f"<p>A paragraph of the site, number {number}, that says something.</p>" for number in range(4)
        )
        return HTMLResponse(
            '<html><head><title>The site</title><link rel="stylesheet" href="/site.css"></head>'
            f'<body class="{request.url.hostname}"><nav class="top"><a href="/">home</a></nav>'
            f'<main class="text"><h1>Real</h1>{paragraphs}</main></body></html>'
        )

    return Starlette(
        routes=[
            Route("/robots.txt", lambda request: PlainTextResponse("User-agent: *\nDisallow: /closed\n")),
            Route("/site.css", lambda request: Response("h1 {}", media_type="text/css")),
            Route("/{path:path}", page),
        ]
    )


@pytest.fixture
def serve(tmp_path, catalogue, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", SECRET)
    started = []

    def begin(more="", **options):
        (tmp_path / "rules.yaml").write_text(RULES + more)
        policy = load_policy(tmp_path / "rules.yaml", catalogue=catalogue)
        guarded = ScrapeGuard(site(), policy, **options)
        server = uvicorn.Server(uvicorn.Config(guarded, port=0, log_level="critical"))
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


def show_a_lie(address, headers=BOT):
    """Follow a trap: from then on this client has shown that it does not obey."""
    trap = re.search(TRAP, httpx.get(f"{address}/a", headers=headers).text)[1]
    return httpx.get(address + trap, headers=headers)


def test_who_lies_gets_decoys_and_nobody_else_does(serve):
    address = serve("decoys: {serve: on}\n")
    assert show_a_lie(address).status_code == 200
    decoy = httpx.get(f"{address}/articles/one", headers=BOT)
    assert decoy.status_code == 200
    assert decoy.headers["content-type"].startswith("text/html")
    assert decoy.headers["x-robots-tag"].startswith("noindex")
    assert decoy.headers["cache-control"] == "private, no-store"
    assert "Real" not in decoy.text
    assert decoy.text.count("<p>") > 3
    for headers, status in (({"user-agent": "OtherBot/1.0"}, 200), ({"user-agent": "GPTBot/1.3"}, 403), (FIREFOX, 200)):
        answer = httpx.get(f"{address}/a", headers=headers)
        assert (answer.status_code, "Real" in answer.text) == (status, status == 200)


def test_without_a_word_of_the_owner_there_are_none(serve):
    address = serve()
    assert show_a_lie(address).status_code == 403
    assert httpx.get(f"{address}/articles/one", headers=BOT).status_code == 403


@pytest.mark.parametrize("path", ["/feed", "/feed.xml", "/atom.atom", "/api/items", "/rss/all"])
def test_there_are_none_where_feeds_and_an_api_are(serve, path):
    address = serve("decoys: {serve: on}\n")
    show_a_lie(address)
    assert httpx.get(address + path, headers=BOT).status_code == 403


def test_a_search_engine_that_breaks_a_rule_is_refused_and_not_lied_to(serve):
    address = serve("decoys: {serve: on}\n")
    engine = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
    httpx.get(f"{address}/robots.txt", headers=engine)
    assert httpx.get(f"{address}/closed", headers=engine).status_code == 403


def test_a_person_in_a_trap_is_told_so_where_there_are_decoys_too(serve):
    address = serve("decoys: {serve: on}\n")
    trap = re.search(TRAP, httpx.get(f"{address}/a", headers=BOT).text)[1]
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    answer = httpx.get(address + trap, headers={"user-agent": firefox, "accept": "text/html"})
    assert answer.status_code == 403
    assert "This is a trap for programs" in answer.text
    assert "<button>" in answer.text


def test_no_rule_puts_decoys_where_the_owner_wants_none(serve):
    more = "rules: [{name: lies, when: {agent: GPTBot}, action: decoy}]\nagents: {ClaudeBot: decoy}\n"
    address = serve(f"decoys: {{serve: on}}\n{more}")
    for agent in ("GPTBot/1.3", "ClaudeBot/1.0"):
        asked = {"user-agent": agent, "accept": "text/html"}
        assert httpx.get(f"{address}/page", headers=asked).status_code == 200
        assert httpx.get(f"{address}/feed", headers=asked).status_code == 403


def test_decoys_that_are_asked_for_and_switched_off_are_an_error(serve):
    for more in (
        "agents: {GPTBot: decoy}\n",
        "thresholds: {100: tarpit}\n",
        "rules: [{name: lies, when: {path: /x}, action: decoy}]\n",
        "sites: {a.example: {agents: {GPTBot: decoy}}}\n",
    ):
        with pytest.raises(PolicyError, match=r"decoys: \{serve: on\}"):
            serve(more)


def test_the_same_page_on_every_visit_and_in_every_process(serve):
    first, second = serve("decoys: {serve: on}\n"), serve("decoys: {serve: on}\n")
    for address in (first, second):
        show_a_lie(address)
    for path in ("/articles/one", "/x.json", "/", "/a%2Fb?c=d"):
        one, again, other = (httpx.get(a + path, headers=BOT) for a in (first, first, second))
        assert one.content == again.content == other.content
        assert one.headers["etag"] == other.headers["etag"]
        known = {**BOT, "if-none-match": one.headers["etag"]}
        assert httpx.get(first + path, headers=known).status_code == 304
    assert httpx.head(f"{first}/articles/one", headers=BOT).status_code == 200


def test_a_rule_may_ask_for_them(serve):
    address = serve("decoys: {serve: on}\nrules: [{name: lies, when: {path: /secret/}, action: decoy}]\n")
    curl = {"user-agent": "curl/8.0"}
    assert "Real" not in httpx.get(f"{address}/secret/x", headers=curl).text
    assert httpx.post(f"{address}/secret/x", headers=curl).status_code == 403
    assert "Disallow: /secret/" in httpx.get(f"{address}/robots.txt").text


def test_a_maze_is_walked_for_ever(serve):
    address = serve("decoys: {serve: on}\n")
    show_a_lie(address)
    seen, path = set(), "/articles/one"
    for _ in range(30):
        text = httpx.get(address + path, headers=BOT).text
        links = [link for link in re.findall(r'<a href="(/[^"]+)"', text) if link not in seen]
        assert links
        seen.add(path)
        path = links[0]
    assert len(seen) == 30


def test_they_look_like_the_site_where_the_owner_wants_that(serve):
    address = serve("decoys: {serve: on, template: learn}\n")
    show_a_lie(address)
    until = time.monotonic() + 30
    while 'class="top"' not in (text := httpx.get(f"{address}/articles/one", headers=BOT).text):
        assert time.monotonic() < until, "the template was never learnt"
        time.sleep(0.1)
    assert "A paragraph of the site" not in text
    assert '<link rel="stylesheet" href="/site.css">' in text


SITES = """decoys: {serve: on, template: learn, host: main.example}
sites:
  blog.example: {}
  bare.example: {}
  shop.example: {decoys: {template: shop.html, locale: de_DE}}
  "*.shops.example": {decoys: {template: shop.html}}
  "*.plain.shops.example": {}
"""


def test_each_site_may_have_a_look_of_its_own(serve, tmp_path, caplog):
    (tmp_path / "shop.html").write_text("<html><body><p>the shop<h1>{{title}}</h1>{{content}}</body></html>")
    address = serve(SITES)
    show_a_lie(address)

    def decoy(host):
        return httpx.get(f"{address}/articles/one", headers={**BOT, "host": host}).text

    eventually_learnt = time.monotonic() + 30
    while 'class="main.example"' not in decoy("other.example") or 'class="blog.example"' not in decoy("blog.example"):
        assert time.monotonic() < eventually_learnt, "the templates were never learnt"
        time.sleep(0.1)
    assert all("the shop" in decoy(host) for host in ("shop.example", "a.shops.example", "b.shops.example"))
    assert decoy("a.shops.example") == decoy("b.shops.example") != decoy("shop.example")
    assert 'class="main.example"' in decoy("a.plain.shops.example")
    assert "class=" not in decoy("bare.example")
    assert "learn: bare.example: the front page answers 404" in caplog.text


def test_a_sentence_of_a_decoy_is_found_again(serve, tmp_path):
    address = serve(f"decoys: {{serve: on, log: {tmp_path}/served.db}}\n")
    show_a_lie(address)
    pages = [httpx.get(f"{address}/articles/{number}", headers=BOT).text for number in range(20)]
    marked = [page for page in pages if page_ids(page)]
    assert 0 < len(marked) < len(pages)
    (page_id,) = page_ids(marked[0])
    paragraph = next(text for text in re.findall(r"<p>(.*?)</p>", marked[0], re.DOTALL) if page_id in text)
    quote = " ".join(paragraph.split()[3:18])
    until = time.monotonic() + 30
    while True:
        with ProvenanceReader(tmp_path / "served.db") as log:
            found = log.find(quote, [])
        if found:
            break
        assert time.monotonic() < until, "it was never written down"
        time.sleep(0.1)
    assert "NiceBot" in str(found[0])


def test_the_log_is_kept_as_long_and_as_large_as_the_owner_says(tmp_path, catalogue):
    (tmp_path / "rules.yaml").write_text(
        "version: 1\nextends: default\ndecoys: {log: served.db, log-age: 30d, log-size: 2MB}\n"
    )
    said = load_policy(tmp_path / "rules.yaml", catalogue=catalogue).decoys
    assert (said.log_age, said.log_size) == (30 * 86_400.0, 2_000_000)
    log = open_provenance(said, clock=lambda: 1_800_000_000.0)
    decision = Decision(Action.DECOY, "traps", client="192.0.2.1")
    for day in (-40.0, -20.0, 0.0):
        for number in range(2_000 if day else 1):
            page = Page(b"", " ".join(f"{day}{number}{word}" for word in range(60)))
            log.record(Served.of(1_800_000_000.0 + day * 86_400, Request.of(f"/{number}"), decision, page))
    log.close(60)
    links = written(tmp_path / "served.db")
    assert links[0]["time"] >= 1_800_000_000.0 - 20 * 86_400
    assert "pruned" in {link["kind"] for link in links}
    assert (tmp_path / "served.db").stat().st_size < 3_500_000


def test_the_event_tells_the_status_that_went_out(serve):
    """Also where the budget is spent by then, where there is nothing new, and where no decoy answers the method."""
    events = []
    address = serve("decoys: {serve: on, rate: 1000}\nagents: {GPTBot: decoy}\n", record=events.append)
    bot = {"user-agent": "GPTBot/1.3", "accept": "text/html"}
    answers = [httpx.post(f"{address}/a", headers=bot), first := httpx.get(f"{address}/a", headers=bot)]
    answers.append(httpx.get(f"{address}/a", headers={**bot, "if-none-match": first.headers["etag"]}))
    answers += [httpx.get(f"{address}/{number}", headers=bot) for number in range(6)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:3] == [403, 200, 304]
    assert statuses[-1] == 403
    assert [event.status for event in events] == statuses
    assert [json.loads(event.to_json())["status"] for event in events] == statuses


def test_what_is_written_down_is_what_went_out_and_to_whom(serve, tmp_path):
    """With the status, and by which method it was settled who that is."""
    listed = next(one for one in packaged_lists() if one.url == "https://openai.com/gptbot.json")
    clients = {"198.51.100.7": ("claimed", ""), str(listed.networks[0][0]): ("verified", "list")}
    rules = "agents: {GPTBot: decoy}\nproxies: {trusted: [loopback]}\n"
    address = serve(f"decoys: {{serve: on, log: {tmp_path}/served.db}}\n{rules}")
    statuses = []
    for client in clients:
        asked = {"user-agent": "GPTBot/1.3", "accept": "text/html", "x-forwarded-for": client}
        first = httpx.get(f"{address}/a", headers=asked)
        again = httpx.get(f"{address}/a", headers={**asked, "if-none-match": first.headers["etag"]})
        statuses += [(client, first.status_code), (client, again.status_code)]
    until = time.monotonic() + 30
    while len(links := written(tmp_path / "served.db")) < len(statuses):
        assert time.monotonic() < until, "it was never written down"
        time.sleep(0.1)
    assert [(link["client"], link["status"]) for link in links] == statuses
    assert [status for _, status in statuses] == [200, 304] * 2
    assert [(link["identity"], link["verified_by"]) for link in links] == [
        known for known in clients.values() for _ in range(2)
    ]


def written(path):
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'link'").fetchone():
            return []
        return [json.loads(link) for (link,) in database.execute("SELECT record FROM link ORDER BY number")]


def test_what_cannot_be_used_is_told_before_the_first_request(serve, tmp_path):
    with pytest.raises(PolicyError, match="is no folder"):
        serve(f"decoys: {{serve: on, corpus: {tmp_path}/absent}}\n")
    (tmp_path / "bad.html").write_text("<p>no placeholder</p>")
    with pytest.raises(PolicyError, match="a template without"):
        serve("decoys: {serve: on, template: bad.html}\n")
    with pytest.raises(PolicyError, match="is no file"):
        serve("decoys: {template: absent.html}\n")


class Made:
    """Makes the same page for everything, and takes its time for it."""

    def __init__(self, clock):
        self.clock = clock

    def decoy(self, request, decision):
        self.clock.cpu += 0.01
        return Decoy("text/html", (("ETag", '"x"'),), b"x" * 1000)


class Clock:
    now = cpu = 0.0


def decoying(clock, **more):
    said = {"cpu": 0.05, "rate": 1e6, "connections": 3, "per_client": 2, "now": 0.0, **more}
    return Decoying(Made(clock), Budget(**said), monotonic=lambda: clock.now, cpu=lambda: clock.cpu, pause=0.0)


def served(one, client="192.0.2.1", action=Action.DECOY):
    return one.answer(Decision(action, "traps", client=client), Request(), ())


@pytest.mark.parametrize(("more", "pages"), [({}, 50), ({"rate": 500.0}, 5)])
def test_a_budget_that_is_spent_fills_up_again(more, pages):
    """The share of the processor saved for ten seconds, and the octets."""
    clock = Clock()
    one = decoying(clock, **more)
    got = sum(served(one) is not None for _ in range(200))
    assert pages <= got <= pages + 1
    assert one.budget.refused == 200 - got
    clock.now += 2.0
    assert served(one) is not None
    clock.now += 1e6
    assert sum(served(one) is not None for _ in range(200)) == got


def test_tarpits_hold_so_many_connections_and_give_them_back():
    one = decoying(Clock())
    first = served(one, action=Action.TARPIT)
    assert isinstance(first, Drip)
    assert served(one, action=Action.TARPIT) is not None
    assert served(one, action=Action.TARPIT) is None
    assert served(one, "192.0.2.2", Action.TARPIT) is not None
    assert served(one, "192.0.2.3", Action.TARPIT) is None
    assert one.budget.held == 3
    sent = asyncio.run(dripped(one, first))
    assert b"".join(message.get("body", b"") for message in sent) == b"x" * 1000
    assert len(sent) > 20
    assert one.budget.held == 2
    assert served(one, "192.0.2.3", Action.TARPIT) is not None


def test_a_client_that_goes_gives_its_connection_back():
    one = decoying(Clock())
    drip = served(one, action=Action.TARPIT)
    sent = asyncio.run(dripped(one, drip, gone=True))
    assert len(sent) < 20
    assert one.budget.held == 0


async def dripped(one, drip, *, gone=False):
    sent = []

    async def receive():
        if gone and len(sent) >= 3:
            return {"type": "http.disconnect"}
        await asyncio.sleep(0 if gone else 60)
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)
        await asyncio.sleep(0)

    await one.drip(drip, {"method": "GET"}, receive, send)
    return sent


def test_a_tarpit_does_not_slow_the_site(serve):
    """While many connections drip, every page of the site still comes, and at once."""
    address = serve("decoys: {serve: on, tarpit: on, connections: 50, per-client: 50}\n")
    trap = re.search(TRAP, httpx.get(f"{address}/a", headers=BOT).text)[1]

    async def held():
        limits = httpx.Limits(max_connections=80)
        async with httpx.AsyncClient(base_url=address, headers=BOT, limits=limits, timeout=30) as client:
            drips = [await client.send(client.build_request("GET", trap), stream=True) for _ in range(50)]
            assert {drip.status_code for drip in drips} == {200}
            assert (await client.get("/b")).status_code == 403
            pages = await asyncio.gather(*(client.get(f"/{n}", headers={"user-agent": "curl/8"}) for n in range(20)))
            assert all("Real" in page.text for page in pages)
            for drip in drips:
                await drip.aclose()

    asyncio.run(held())


@pytest.mark.parametrize("key", ["template", "corpus"])
def test_what_decoys_cannot_be_made_of_is_told_before_any_app_is_built(tmp_path, key):
    """Middleware is built late, by some frameworks with the first request, which would then get the error."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "page.html").write_text("<p>no placeholder</p>")
    named = {"template": "page.html", "corpus": "texts"}[key]
    (tmp_path / "rules.yaml").write_text(f"extends: default\ndecoys: {{serve: on, {key}: {named}}}\n")
    with pytest.raises(PolicyError, match=f"decoys.{key}"):
        scrapeguard.load_policy(tmp_path / "rules.yaml")
