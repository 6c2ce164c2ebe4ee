"""What clients get from real servers that ask the decision service, set up as in deploy/."""

from __future__ import annotations

import re
import time

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

FIREFOX = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,*/*;q=0.8",
    "Accept-Language": "en",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
}
GPTBOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"
OWN_ROBOTS = b"User-agent: *\nDisallow: /the-apps-own/\n"
# These cannot ask somebody else once somebody has said 404, nor copy headers to the client.
NO_SECOND_CHOICE = {"traefik", "envoy"}
COPIES_NO_HEADERS = {"traefik"}
# These let everything pass that is answered with 200.
PASSES_ALL_200 = {"traefik", "envoy"}


# What passes


def test_a_browser_gets_the_page_and_the_app_the_verdict(site):
    answer = site.ask("/a%2Fb?q=1%20x", headers=FIREFOX)
    assert (answer.status, answer.seen["method"], answer.seen["target"]) == (200, "GET", "/a%2Fb?q=1%20x")
    assert answer.seen_header("x-scrapeguard-verdict") == ["allow"]


def test_the_app_is_told_the_port_that_was_asked(site):
    """Or it takes its own forms for those of another site, and redirects to another port."""
    answer = site.ask("/", headers=FIREFOX, host="shop.example:8443")
    assert answer.seen_header("host") == ["shop.example:8443"]


def test_the_rules_are_those_of_the_site_that_is_served(site):
    """Where target and Host name two sites, of which one lets everybody in (RFC 9112 §3.2.2)."""
    fields = b"Host: open.example\r\nConnection: close\r\nUser-Agent: GPTBot/1.3\r\n"
    lines = b"GET http://shop.example/ HTTP/1.1\r\n%b\r\n" % fields
    assert site.exchange_raw(lines).startswith((b"HTTP/1.1 403", b"HTTP/1.1 400", b"HTTP/1.0 400"))


def test_a_body_reaches_the_app_whole(site):
    answer = site.ask("/upload", method="POST", headers=FIREFOX, body=b"x" * 300_000)
    assert (answer.status, answer.seen["method"], answer.seen["size"]) == (200, "POST", 300_000)


def test_head_of_a_page(site):
    answer = site.ask("/", method="HEAD", headers=FIREFOX)
    assert (answer.status, answer.headers["x-app"], answer.body) == (200, "yes", b"")


def test_what_the_site_announces_goes_out_with_the_page_beside_what_the_app_says(site):
    if site.name in COPIES_NO_HEADERS:
        pytest.skip("copies headers of a decision to the app, and not to the client")
    headers = site.ask("/nosnippet", headers=FIREFOX).headers
    assert (headers["content-usage"], headers["tdm-reservation"]) == ("train-ai=n, ai-use=n", "1")
    assert set(headers.get_all("x-robots-tag")) == {"nosnippet", "noai, noimageai"}
    assert '/license.xml>; rel="license"' in headers["link"]
    assert "tdm-policy" not in headers


def test_a_site_that_denies_nothing_announces_nothing(site):
    headers = site.ask("/", host="open.example", headers=FIREFOX).headers
    assert "content-usage" not in headers


def test_a_websocket_echoes_for_a_browser_and_is_refused_to_an_ai_crawler(site):
    address = f"ws://127.0.0.1:{site.ports.site}/ws"
    options = {"proxy": None, "open_timeout": 10, "source_address": ("127.0.0.9", 0)}
    with connect(address, user_agent_header=FIREFOX["User-Agent"], **options) as websocket:
        websocket.send("hello")
        assert websocket.recv(10) == "hello"
    with pytest.raises(InvalidStatus) as refusal, connect(address, user_agent_header=GPTBOT, **options):
        pass
    assert refusal.value.response.status_code == 403
    assert b"No robots here" in refusal.value.response.body


# What is refused


@pytest.mark.parametrize(
    ("accept", "form", "mark"),
    [
        ("text/html", "text/html", b"<h1>"),
        ("*/*", "text/plain", b""),
        ("application/json", "application/problem+json", b'"detail"'),
    ],
)
def test_an_ai_crawler_gets_our_refusal_with_its_headers(site, accept, form, mark):
    answer = site.ask("/a%2Fb?q=1", agent=GPTBOT, headers={"Accept": accept})
    assert answer.status == 403
    assert answer.headers["content-type"].partition(";")[0] == form
    assert b"No robots here" in answer.body
    assert b"webmaster@shop.example" in answer.body
    assert mark in answer.body
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers.get_all("vary") == ["User-Agent, Accept"]
    assert answer.headers["content-usage"] == "train-ai=n, ai-use=n"
    assert answer.headers["x-app"] is None
    assert answer.headers["x-scrapeguard-reference"].encode() in answer.body
    event = site.event(answer)
    assert (event["path"], event["client"]) == ("/a%2Fb?q=1", "127.0.0.9")


def test_head_is_refused_without_a_body(site):
    answer = site.ask("/", method="HEAD", agent=GPTBOT)
    assert (answer.status, answer.headers["x-app"], answer.body) == (403, None, b"")


def test_a_body_is_refused_with_its_request(site):
    answer = site.ask("/", method="POST", agent=GPTBOT, body=b"x" * 1000)
    assert answer.status == 403
    assert b"Reference" in answer.body


def test_a_refusal_goes_to_its_own_client_alone_on_a_connection_that_stays(site):
    first = f"GET /1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: {GPTBOT}\r\n\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in FIREFOX.items())
    second = f"GET /2 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{lines}\r\n"
    answer = site.exchange_raw((first + second).encode())
    statuses = re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)
    assert statuses == [b"403", b"200"]


def test_a_refusal_of_status_200_is_relayed_where_that_can_be_and_never_passes(open_site):
    answer = open_site.ask("/trap/1?q", agent=GPTBOT)
    if open_site.name in PASSES_ALL_200:
        assert answer.status == 403
    else:
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain", b"decoy")
    assert answer.headers["x-app"] is None


HEADS = [
    b"X-Odd: a\x01b\r\n",
    b"X-Odd: a\x7fb\r\n",
    b"X-Odd: \xff\xfe\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"X-Forwarded-For: \x01\r\n",
    *(b"X-Long: " + b"x" * size + b"\r\n" for size in (7_000, 14_000, 15_150, 15_300, 15_900, 31_000, 63_000)),
    *(b"X-Many: x\r\n" * number for number in (60, 76, 80, 93, 96, 99, 120, 500)),
]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head[:16]!r}, {len(head)} octets")
def test_no_head_is_reason_to_let_a_bot_pass_where_nobody_can_decide(open_site, head):
    start = f"GET / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: {GPTBOT}\r\nConnection: close\r\n".encode()
    end = b"\r\n0\r\n\r\n" if b"chunked" in head else b"\r\n"
    answer = open_site.exchange_raw(start + head + end)
    assert b"x-app" not in answer.lower()
    assert re.search(rb"^HTTP/1\.1 [45]\d\d", answer, re.MULTILINE)


# What is for everybody


@pytest.mark.parametrize("agent", [GPTBOT, FIREFOX["User-Agent"]])
def test_robots_txt_is_for_everybody(site, agent):
    answer = site.ask("/robots.txt", agent=agent)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert b"User-agent: GPTBot\n" in answer.body
    assert answer.headers["x-app"] is None
    again = site.ask("/robots.txt", agent=agent, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_robots_txt_is_that_of_the_site(site):
    assert b"User-agent: GPTBot\n" not in site.ask("/robots.txt", host="open.example", agent=GPTBOT).body


def test_the_well_known_files_are_there(site):
    assert site.ask("/.well-known/tdmrep.json", agent=GPTBOT).headers["content-type"] == "application/json"
    licence = site.ask("/license.xml", agent=GPTBOT)
    assert (licence.status, licence.headers["content-type"]) == (200, "application/rsl+xml")


def test_where_nothing_is_announced_the_app_answers(site):
    answer = site.ask("/robots.txt", host="watched.example", agent=GPTBOT)
    if site.name in NO_SECOND_CHOICE:
        assert (answer.status, answer.headers["x-app"]) == (404, None)
    else:
        assert (answer.status, answer.body) == (200, OWN_ROBOTS)


# What clients make up


SPOOFED = {
    "X-Forwarded-Uri": "/robots.txt",
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Host": "open.example",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Scrapeguard-Verdict": "observe",
    "X-Scrapeguard-Ticket": "AAAA",
    "X-Scrapeguard-Reference": "0000000000",
}


def test_made_up_headers_let_nobody_through(site):
    answer = site.ask("/x", agent=GPTBOT, headers=SPOOFED)
    assert (answer.status, answer.headers["x-app"]) == (403, None)
    event = site.event(answer)
    assert (event["path"], event["host"], event["client"]) == ("/x", "shop.example", "127.0.0.9")


def test_the_app_is_not_told_a_made_up_verdict(site):
    assert site.ask("/x", headers={**FIREFOX, **SPOOFED}).seen_header("x-scrapeguard-verdict") == ["allow"]


@pytest.mark.parametrize(
    "path", ["/decide", "/decide/nginx", "/decide/caddy", "/decide/envoy/", "/render", "/_scrapeguard"]
)
def test_clients_cannot_reach_the_decision_service(site, path):
    told = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/", "X-Forwarded-Host": "shop.example"}
    answer = site.ask(path, headers={**FIREFOX, **told})
    assert (answer.status, answer.headers["x-app"]) in [(200, "yes"), (404, None)]


def test_a_query_that_names_another_page_changes_nothing(site):
    assert site.ask("/drafts/x?uri=/&X-Forwarded-Uri=/", headers=FIREFOX).status == 403


def test_a_long_head_is_decided(site):
    padding = {f"X-Padding-{number}": "x" * 6000 for number in range(2)}
    assert site.ask("/", agent=GPTBOT, headers=padding).status == 403
    assert site.ask("/", headers={**FIREFOX, **padding}).status == 200


# Nobody decides


def test_nobody_gets_a_page_while_nobody_decides(site):
    site.stop_service()
    try:
        answers = [site.ask("/", headers=FIREFOX), site.ask("/", method="POST", agent=GPTBOT, body=b"x")]
        assert all(answer.status in (403, 500, 502, 503) for answer in answers)
        assert all(answer.headers["x-app"] is None for answer in answers)
        # A crawler that may read no robots.txt keeps away; one that is told 404 does not (RFC 9309 §2.3.1).
        assert site.ask("/robots.txt", agent=GPTBOT).status >= 500
    finally:
        site.start_service()
    wait_until_decided(site)


def test_everybody_gets_the_page_while_nobody_decides_where_the_owner_wants_that(open_site):
    assert open_site.ask("/", agent=GPTBOT).status == 403
    open_site.stop_service()
    for answer in (
        open_site.ask("/a%2Fb?q=1", headers=FIREFOX),
        open_site.ask("/", method="POST", agent=GPTBOT, headers=SPOOFED, body=b"x"),
    ):
        assert (answer.status, answer.headers["x-app"]) == (200, "yes")
        assert answer.seen_header("x-scrapeguard-verdict") in ([], ["allow"])
    # And what the app itself says to crawlers.
    answer = open_site.ask("/robots.txt", agent=GPTBOT)
    assert (answer.status, answer.headers["x-app"]) == (200, "yes")
    open_site.start_service()
    wait_until_decided(open_site)


def wait_until_decided(site):
    deadline = time.monotonic() + 10
    while site.ask("/", agent=GPTBOT).headers["x-scrapeguard-reference"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert site.ask("/", headers=FIREFOX).status == 200


# Another way to ask


def test_nginx_over_a_unix_socket(unix_site):
    assert unix_site.ask("/", headers=FIREFOX).seen_header("x-scrapeguard-verdict") == ["allow"]
    answer = unix_site.ask("/a%2Fb?q=1", agent=GPTBOT)
    assert answer.status == 403
    assert unix_site.event(answer)["path"] == "/a%2Fb?q=1"
    assert unix_site.ask("/robots.txt", agent=GPTBOT).status == 200
