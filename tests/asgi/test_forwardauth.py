from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.app import ForwardAuth
from scrapeguard.asgi.decoying import Decoy, Decoying
from scrapeguard.asgi.dialects import DIALECTS, PREFIXED, ForwardedFieldError, asked_by_proxies
from scrapeguard.asgi.forwardauth import ForwardAuthApp
from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.asgi.responders import RESPONDERS, Response
from scrapeguard.asgi.ticket import LIFETIME, Refused, Tickets
from scrapeguard.core.behaviour import Behaviour
from scrapeguard.core.browserheaders import BrowserHeaders
from scrapeguard.core.budget import Budget
from scrapeguard.core.catalogue import Purpose
from scrapeguard.core.conditions import InNetwork, MethodIs, PathIs
from scrapeguard.core.decision import Action, Decision, Mode, Recognised
from scrapeguard.core.forwarded import ForwardedField, Proxies
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.history import History
from scrapeguard.core.identity import Identity
from scrapeguard.core.ledger import Ledger
from scrapeguard.core.policy import Policy, SitePolicy
from scrapeguard.core.request import Request
from scrapeguard.core.rules import Rule
from scrapeguard.core.sharing import Use
from scrapeguard.guard import Guard
from scrapeguard.rulefile.browsers import load_engines

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "forward_auth.yaml").read_text(encoding="utf-8"))
CLOSED = {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}
OPEN = dict.fromkeys(Use, True)
KEY = b"k" * 32
EVERY_PATH = [*DIALECTS, *(f"{path}/page" for path in PREFIXED)]


class Service:
    """A decision service, and what it was asked and decided."""

    def __init__(self, catalogue, *, rules=(), proxies=("127.0.0.0/8",), options=None, **policy):
        sites = {"open.example": SitePolicy(OPEN), "watched.example": SitePolicy(CLOSED, mode=Mode.OBSERVE)}
        trusted = Proxies(map(ip_network, proxies))
        said = Policy(SitePolicy(CLOSED, rules=rules), catalogue, sites=sites, proxies=trusted, **policy)
        browsers = BrowserHeaders(load_engines())
        self.guard = Guard(said, behaviour=Behaviour(browsers=browsers, history=History(), ledger=Ledger()))
        self.events = []
        self.time = 1000.0
        self.app = ForwardAuthApp(
            self.guard, Tickets(KEY), record=self.events.append, clock=lambda: self.time, **(options or {})
        )

    def ask(self, target, *headers, method="GET", peer="127.0.0.1", **more):
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers],
            "client": (peer, 4711) if peer else None,
            **more,
        }
        sent = drive(self.app, scope)
        start, body = sent
        answer = Answer(start["status"], {name.decode(): value.decode() for name, value in start["headers"]})
        answer.body = body["body"]
        return answer

    def question(self, path="/decide", uri="/", agent="GPTBot/1.2", *more, **options):
        """A question about a request, told in headers; or in the request line, as Envoy does."""
        if path.startswith("/decide/envoy"):
            return self.ask(f"/decide/envoy{uri}", ("host", "shop.example"), ("user-agent", agent), *more, **options)
        return self.ask(path, *told(uri), ("user-agent", agent), *more, **options)


class Answer:
    def __init__(self, status, headers):
        self.status = status
        self.headers = headers
        self.body = b""


def told(uri="/", *, method="GET", host="shop.example"):
    return [
        ("x-forwarded-method", method),
        ("x-forwarded-uri", uri),
        ("x-forwarded-host", host),
        ("x-forwarded-for", "198.51.100.7"),
    ]


def drive(app, scope, incoming=()):
    sent, waiting = [], list(incoming)

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


@pytest.fixture
def service(catalogue):
    return Service(catalogue)


# Who asks what


@pytest.mark.parametrize("question", CORPUS["questions"], ids=lambda question: question["server"])
def test_every_server_tells_of_the_same_request(question, catalogue, monkeypatch):
    service, seen = Service(catalogue), []
    assess = service.guard.assess
    monkeypatch.setattr(service.guard, "assess", lambda request: seen.append(request) or assess(request))
    service.ask(question["target"], *question["headers"], method=question.get("method", "GET"))
    (request,) = seen
    original = CORPUS["original"]
    proxies = service.guard.policy.proxies
    found = {name: getattr(request, name) for name in ("method", "path", "query", "host")}
    assert {**found, "scheme": proxies.scheme(request), "client": proxies.client(request)} == original
    assert request.user_agent == b"curl/8"
    assert request.header("host") == ["shop.example"]


def test_what_gos_client_asks_for_is_not_what_the_client_asked_for(catalogue, monkeypatch):
    service, seen = Service(catalogue), []
    assess = service.guard.assess
    monkeypatch.setattr(service.guard, "assess", lambda request: seen.append(request) or assess(request))
    gzip = ("accept-encoding", "gzip")
    service.ask("/decide/traefik", *told(), gzip)
    service.ask("/decide/traefik", gzip, *told())
    assert [request.header("accept-encoding") for request in seen] == [[], ["gzip"]]


# What they are answered


@pytest.mark.parametrize("path", EVERY_PATH)
def test_what_is_allowed_passes_with_the_verdict_and_what_the_site_announces(service, path):
    answer = service.question(path, "/page", "curl/8")
    meaning = CORPUS["servers"][path.removesuffix("/page")]
    if meaning["passes"] != "by verdict":
        low, high = meaning["passes"]
        assert low <= answer.status <= high
    assert (answer.headers["x-scrapeguard-verdict"], answer.body) == ("allow", b"")
    assert answer.headers["content-usage"] == "train-ai=n, ai-use=n"


@pytest.mark.parametrize("path", EVERY_PATH)
def test_what_is_watched_passes_as_observed(service, path):
    host = ("host", "watched.example")
    if path.startswith("/decide/envoy"):
        answer = service.ask(path, host, ("user-agent", "GPTBot/1.2"))
    else:
        answer = service.ask(path, *told(host="watched.example"), ("user-agent", "GPTBot/1.2"))
    assert answer.status in (200, 204)
    assert answer.headers["x-scrapeguard-verdict"] == "observe"
    assert [event.decision.action for event in service.events] == [Action.BLOCK]


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize("status", [None, 200, 403])
def test_a_refusal_never_passes_and_is_relayed_where_that_can_be(path, status, catalogue, monkeypatch):
    service = Service(catalogue)
    if status is not None:
        answered = Response(status, [(b"content-length", b"4")], b"else")
        monkeypatch.setitem(RESPONDERS, Action.BLOCK, lambda *_: answered)
    answer = service.question(path, "/page")
    meaning = CORPUS["servers"][path.removesuffix("/page")]
    low, high = meaning["relays"]
    assert low <= answer.status <= high
    if meaning["passes"] == "by verdict":
        assert answer.status == (status or 403)
    else:
        low, high = meaning["passes"]
        assert not low <= answer.status <= high
    assert answer.headers["x-scrapeguard-verdict"] == "block"
    assert len(service.events) == 1


def test_a_relayed_refusal_is_that_of_the_middleware(service):
    answer = service.question("/decide", "/page", "GPTBot/1.2", ("accept", "text/html"))
    assert answer.status == 403
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-scrapeguard-reference"] == service.events[0].reference
    assert service.events[0].reference.encode() in answer.body


def test_head_of_envoy_has_no_body(service):
    answer = service.question("/decide/envoy", "/page", method="HEAD")
    assert (answer.status, answer.body) == (403, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["/decide", "/decide/nginx"])
def test_a_target_that_is_no_path_is_refused(service, path):
    answer = service.ask(path, *told("http://shop.example/"))
    assert (answer.status, answer.headers["x-scrapeguard-verdict"]) == (400 if path == "/decide" else 403, "block")


@pytest.mark.parametrize(("on_error", "statuses"), [(Action.ALLOW, (200, 204)), (Action.BLOCK, (403, 403))])
def test_a_guard_that_fails_does_as_the_owner_says(catalogue, monkeypatch, on_error, statuses):
    service = Service(catalogue, on_error=on_error)
    monkeypatch.setattr(service.guard, "assess", lambda request: 1 / 0)
    for path, status in zip(("/decide", "/decide/nginx"), statuses, strict=True):
        assert service.question(path).status == status


@given(
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126)), agent=st.sampled_from(["GPTBot/1.2", "curl/8"])
)
def test_the_query_of_a_question_changes_nothing(catalogue, query, agent):
    service = Service(catalogue)
    verdicts = {
        service.question(path, "/page", agent).headers["x-scrapeguard-verdict"]
        for path in ("/decide", f"/decide?{query}", f"/decide/nginx?{query}", f"/decide/caddy?{query}")
    }
    assert len(verdicts) == 1


PATHS = st.from_regex(r"\A/[!-\"$->@-~]{0,12}\Z") | st.sampled_from(
    ["//drafts/x", "/%64rafts/", "/a/../drafts/", "/drafts%2f"]
)
NAMES = "accept accept-language cookie range sec-fetch-mode x-forwarded-port x-real-ip via x-scrapeguard-x".split()
LINES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.text(st.characters(min_codepoint=32, max_codepoint=126))), max_size=5
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEIGHBOURS = frozenset({ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")})
RULES = (
    Rule("no drafts", PathIs((PathPattern("/drafts/"),)), Action.BLOCK),
    Rule("no neighbours", InNetwork(NEIGHBOURS), Action.BLOCK),
    Rule("no putting", MethodIs(frozenset({"PUT"})), Action.OBSERVE),
)


@given(
    target=st.tuples(PATHS, st.from_regex(r"\A(\?[!-~]{0,8})?\Z")).map("".join),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "X"]),
    host=st.sampled_from(["shop.example", "OPEN.example.", "watched.example:80", "[::1]:1", "a b", ""]),
    agent=st.sampled_from(["GPTBot/1.2", "curl/8", FIREFOX]),
    lines=LINES,
    client=st.sampled_from(["198.51.100.7", "203.0.113.5", "2001:db8::1", "::ffff:203.0.113.5"]),
)
def test_whoever_asks_the_decision_is_that_of_the_middleware(target, method, host, agent, lines, client, catalogue):
    service = Service(catalogue, rules=RULES, options={"record_all": True})
    middleware = GuardMiddleware(passing, service.guard, record=service.events.append, record_all=True)
    path, _, query = target.partition("?")
    headers = [("host", host), ("user-agent", agent), *lines]
    connection = {
        "type": "http",
        "scheme": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": (client, 4711),
    }
    drive(middleware, connection)
    address = ("x-forwarded-for", client)
    service.ask(f"/decide/envoy{target}", *headers, address, method=method)
    for question in ("/decide", "/decide/nginx"):
        service.ask(question, *told(target, method=method, host=host)[:3], address, *headers[1:])
    event, *others = (one._replace(time=0, reference="") for one in service.events)
    assert others == [event] * 3


async def passing(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


# Who may ask


@pytest.mark.parametrize("path", [*EVERY_PATH, "/render"])
def test_who_is_not_trusted_gets_no_decision(service, path, caplog):
    with caplog.at_level(logging.ERROR, "scrapeguard"):
        answers = [service.question(path, peer="192.0.2.1") for _ in range(3)]
    assert {answer.status for answer in answers} == {500}
    assert "x-scrapeguard-verdict" not in answers[0].headers
    assert b"192.0.2.1 asks for decisions" in answers[0].body
    assert len(caplog.records) == 1
    assert "proxies.trusted" in caplog.text
    assert service.events == []


def test_complaints_are_not_logged_without_end(catalogue, caplog):
    service = Service(catalogue)
    with caplog.at_level(logging.ERROR, "scrapeguard"):
        for number in range(200):
            service.question(peer=f"192.0.2.{number}")
    assert len(caplog.records) == 64


@pytest.mark.parametrize(("peer", "status"), [("127.0.0.1", 200), (None, 500)])
def test_a_unix_socket_is_trusted_where_it_stands_for_an_address_that_is(catalogue, peer, status):
    service = Service(catalogue, options={"socket_peer": peer})
    assert service.question(agent="curl/8", peer=None).status == status


@pytest.mark.parametrize(
    ("missing", "path"),
    [("x-forwarded-uri", "/decide"), ("x-forwarded-method", "/decide/nginx"), ("x-forwarded-uri", "/render")],
)
def test_a_question_about_nothing_is_an_error(service, missing, path, caplog):
    with caplog.at_level(logging.ERROR, "scrapeguard"):
        answer = service.ask(path, *(pair for pair in told() if pair[0] != missing))
    assert answer.status == 500
    assert missing.title() in caplog.text
    assert service.events == []


@pytest.mark.parametrize("name", ["x-forwarded-uri", "x-forwarded-method", "x-forwarded-host"])
def test_what_is_told_twice_is_an_error(service, name):
    assert service.ask("/decide", *told(), (name, "GET")).status == 500


def test_a_policy_that_trusts_nobody_trusts_this_machine(default_policy):
    policy = asked_by_proxies(default_policy)
    assert [policy.proxies.trusts_peer(peer) for peer in ("127.0.0.1", "::1", "192.0.2.1", None)] == [
        True,
        True,
        False,
        False,
    ]
    assert not default_policy.proxies


def test_a_policy_that_trusts_somebody_trusts_nobody_else(catalogue):
    policy = Policy(SitePolicy(CLOSED), catalogue, proxies=Proxies([ip_network("10.0.0.0/8")]))
    assert [asked_by_proxies(policy).proxies.trusts_peer(peer) for peer in ("127.0.0.1", "10.1.2.3")] == [False, True]


def test_a_policy_that_reads_another_field_is_an_error(catalogue):
    policy = Policy(
        SitePolicy(CLOSED), catalogue, proxies=Proxies([ip_network("10.0.0.0/8")], ForwardedField.FORWARDED)
    )
    with pytest.raises(ForwardedFieldError, match="x-forwarded-for"):
        asked_by_proxies(policy)


# What nginx renders


def test_what_was_decided_is_rendered_and_written_down_once(service):
    no = service.question("/decide/nginx", "/page")
    answer = service.question(
        "/render", "/page", "GPTBot/1.2", ("x-scrapeguard-ticket", no.headers["x-scrapeguard-ticket"])
    )
    assert (no.status, no.body, answer.status) == (403, b"", 403)
    assert answer.headers["x-scrapeguard-reference"] == service.events[0].reference
    assert len(service.events) == 1


def test_replicas_with_one_secret_render_what_another_decided(catalogue, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests, long enough")
    replicas = [Service(catalogue), Service(catalogue)]
    for one in replicas:
        one.app = ForwardAuth(one.guard.policy, record=one.events.append)
    no = replicas[0].question("/decide/nginx", "/page")
    ticket = "x-scrapeguard-ticket", no.headers["x-scrapeguard-ticket"]
    answer = replicas[1].question("/render", "/page", "GPTBot/1.2", ticket)
    assert answer.headers["x-scrapeguard-reference"] == replicas[0].events[0].reference
    assert replicas[1].events == []


def test_without_a_ticket_it_is_decided_anew(service):
    answer = service.question("/render", "/page")
    assert answer.status == 403
    assert answer.headers["x-scrapeguard-reference"] == service.events[0].reference


@pytest.mark.parametrize("ticket", ["", "AAAA", "=", "x" * 5000, "ä"])
def test_a_made_up_ticket_is_none(service, ticket):
    assert service.question("/render", "/page", "curl/8", ("x-scrapeguard-ticket", ticket)).status == 403
    assert service.events == []


def test_a_ticket_that_nginx_could_not_take_is_not_sent(catalogue):
    rule = Rule("a name without end " * 100, PathIs((PathPattern("/page"),)), Action.BLOCK)
    service = Service(catalogue, rules=(rule,))
    assert "x-scrapeguard-ticket" in service.question("/decide/nginx", "/").headers
    no = service.question("/decide/nginx", "/page")
    assert (no.status, "x-scrapeguard-ticket" in no.headers) == (403, False)
    assert service.question("/render", "/page").status == 403


def test_what_is_rendered_may_be_of_any_status(catalogue, monkeypatch):
    monkeypatch.setitem(RESPONDERS, Action.BLOCK, lambda *_: Response(200, [(b"content-length", b"4")], b"else"))
    service = Service(catalogue)
    no = service.question("/decide/nginx", "/page")
    answer = service.question(
        "/render", "/page", "GPTBot/1.2", ("x-scrapeguard-ticket", no.headers["x-scrapeguard-ticket"])
    )
    assert (no.status, answer.status, answer.body) == (403, 200, b"else")


def test_a_request_that_passes_has_no_page_here(service):
    answer = service.question("/render", "/page", "curl/8")
    assert (answer.status, answer.body) == (403, b"Refused\n")


def test_a_target_that_is_no_path_is_rendered_as_that(service):
    assert service.ask("/render", *told("http://shop.example/"), ("x-scrapeguard-ticket", "AAAA")).status == 400


AGENTS = st.none() | st.builds(
    Recognised, st.none() | st.text(), st.none() | st.text(), st.sampled_from(Purpose), st.sampled_from(Identity)
)
DECISIONS = st.builds(
    Decision,
    st.sampled_from([action for action in Action if action.refuses]),
    st.text(),
    st.integers(0, 1000),
    AGENTS,
    st.none() | st.text(),
    reasons=st.just(()),
    mode=st.just(Mode.ENFORCE),
)
REQUESTS = st.builds(
    Request.of,
    st.text(st.characters(codec="latin-1")),
    host=st.text(st.characters(codec="latin-1")),
    user_agent=st.none() | st.text(min_size=1),
)
REFERENCE = "0123456789"


@given(decision=DECISIONS, request_=REQUESTS)
def test_a_ticket_says_what_was_decided(decision, request_):
    tickets = Tickets(KEY)
    ticket = tickets.write(Refused(decision, REFERENCE), request_, 1000.0)
    assert tickets.read(ticket, request_, 1000.0 + LIFETIME) == (decision, REFERENCE)


@given(decision=DECISIONS, one=REQUESTS, other=REQUESTS)
def test_a_ticket_is_for_one_request_for_a_while_and_of_one_service(decision, one, other):
    ticket = Tickets(KEY).write(Refused(decision, REFERENCE), one, 1000.0)
    assert Tickets(KEY).read(ticket, one, 1000.1 + LIFETIME) is None
    assert Tickets(b"x" * 32).read(ticket, one, 1000.0) is None
    if one != other:
        assert Tickets(KEY).read(ticket, other, 1000.0) is None


@given(place=st.integers(0, 10_000), bits=st.integers(1, 255), octets=st.binary())
def test_a_ticket_that_was_changed_is_none(place, bits, octets):
    decision, request = Decision(Action.BLOCK, "default"), Request()
    ticket = bytearray(Tickets(KEY).write(Refused(decision, REFERENCE), request, 1000.0))
    ticket[place % len(ticket)] ^= bits
    read = Tickets(KEY).read(bytes(ticket), request, 1000.0)
    # Base64 has letters whose last bits mean nothing.
    assert read in (None, (decision, REFERENCE))
    assert Tickets(KEY).read(octets, request, 1000.0) is None


# What is for everybody


def test_robots_txt_is_that_of_the_site_told_of(service):
    closed = service.ask("/robots.txt", ("host", "scrapeguard"), ("x-forwarded-host", "shop.example"))
    opened = service.ask("/robots.txt", ("host", "scrapeguard"), ("x-forwarded-host", "open.example"))
    assert (closed.status, b"User-agent: GPTBot\n" in closed.body) == (200, True)
    assert (opened.status, b"User-agent: GPTBot\n" in opened.body) == (200, False)
    assert b"License: http://shop.example/license.xml" in closed.body
    assert service.events == []


def test_robots_txt_is_for_strangers_too_but_they_do_not_say_of_which_site(service):
    answer = service.ask(
        "/robots.txt", ("host", "shop.example"), ("x-forwarded-host", "open.example"), peer="192.0.2.1"
    )
    assert (answer.status, b"User-agent: GPTBot\n" in answer.body) == (200, True)


@pytest.mark.parametrize("path", ["/robots.txt", "/license.xml", "/.well-known/tdmrep.json"])
def test_what_is_not_announced_is_not_there(service, path):
    assert service.ask(path, ("x-forwarded-host", "watched.example")).status == 404
    assert service.ask(path, ("x-forwarded-host", "shop.example"), method="POST").status == 404


def test_a_file_asked_for_by_two_hosts_is_refused(service):
    assert service.ask("/robots.txt", ("host", "a.example"), ("host", "b.example")).status == 400


# The rest


def test_health_and_what_is_not_there(service):
    assert service.ask("/health", peer="192.0.2.1").body == b"ok\n"
    assert [service.ask(path).status for path in ("/", "/decide/", "/decidex", "/decide/apache", "/render/")] == [
        404
    ] * 5


def test_a_websocket_is_closed(service):
    scope = {"type": "websocket", "path": "/decide", "headers": [], "client": ("127.0.0.1", 1)}
    assert drive(service.app, scope, [{"type": "websocket.connect"}]) == [
        {"type": "websocket.close", "code": 1008, "reason": ""}
    ]


def test_it_lives_and_dies_with_its_server(default_policy):
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    app = ForwardAuth(default_policy, record=None)
    assert [message["type"] for message in drive(app, {"type": "lifespan"}, events)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


# Decoys


class Maker:
    """Makes the same page for everything, and notes with which status it goes out."""

    def __init__(self):
        self.noted = []

    def decoy(self, request, decision):
        return Decoy("text/html", (("ETag", '"x"'),), b"false", self.noted.append)


@pytest.fixture
def lying(catalogue):
    """A service that answers all with decoys, and has octets for ten of them, or for one more where it is told so."""
    maker = Maker()
    budget = Budget(cpu=1.0, rate=5.0, connections=1, per_client=1, now=0.0)
    decoying = Decoying(maker, budget, monotonic=lambda: 0.0, cpu=lambda: 0.0, drips=False)
    rules = (Rule("lies", PathIs((PathPattern("/"),)), Action.DECOY),)
    service = Service(catalogue, rules=rules, options={"decoying": decoying})
    service.maker, service.budget = maker, budget
    return service


def statuses_of(service):
    return [event.status for event in service.events]


@pytest.mark.parametrize("path", ["/decide/caddy", "/decide/haproxy"])
def test_a_server_that_relays_answers_gets_the_decoy_at_once(lying, path):
    answers = [lying.question(path, "/page") for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [403] * 2
    assert {answer.headers["x-scrapeguard-verdict"] for answer in answers} == {"decoy"}
    assert statuses_of(lying) == [200] * 10 + [403] * 2
    assert lying.maker.noted == [200] * 10


@pytest.mark.parametrize("path", ["/decide", "/decide/traefik", "/decide/envoy/page"])
def test_where_2xx_means_that_it_passes_none_is_made(lying, path):
    assert lying.question(path, "/page").status == 403
    assert statuses_of(lying) == [403]
    assert lying.maker.noted == []


def rendered(service, no, uri="/page", **more):
    return service.ask("/render", *told(uri, **more), ("user-agent", "GPTBot/1.2"), *ticket_of(no))


def ticket_of(no):
    return [("x-scrapeguard-ticket", no.headers["x-scrapeguard-ticket"])]


def test_what_is_rendered_is_made_once_and_as_the_event_says(lying):
    for _ in range(12):
        no = lying.question("/decide/nginx", "/page")
        assert no.status == 403
        assert rendered(lying, no).status == statuses_of(lying)[-1]
    assert statuses_of(lying) == [200] * 10 + [403] * 2
    assert lying.maker.noted == [200] * 10


def test_a_decoy_that_was_promised_is_kept_though_nothing_is_left(lying):
    no = lying.question("/decide/nginx", "/page")
    lying.budget.spend(0.0, 1_000)
    assert rendered(lying, no).body == b"false"
    # Nor is one had that was not promised, should there be something left by then.
    no = lying.question("/decide/nginx", "/page")
    lying.budget.spend(0.0, -10_000)
    answer = rendered(lying, no)
    assert (answer.status, answer.headers["x-scrapeguard-reference"]) == (403, lying.events[-1].reference)
    assert statuses_of(lying) == [200, 403]


def test_a_method_that_reads_nothing_is_promised_none(lying):
    told_so = told("/page", method="POST")
    no = lying.ask("/decide/nginx", *told_so, ("user-agent", "GPTBot/1.2"))
    assert rendered(lying, no, method="POST").status == 403
    assert statuses_of(lying) == [403]


def test_a_server_that_names_no_visitor_is_told_of_once(service, caplog):
    with caplog.at_level(logging.WARNING, "scrapeguard"):
        service.ask("/decide", *told("/page"))
        # What cannot be read tells nothing of who asks.
        service.ask("/decide", *told("no path"))
        assert not caplog.records
        for _ in range(3):
            service.ask("/decide", *(pair for pair in told("/page") if pair[0] != "x-forwarded-for"))
    assert [record.getMessage() for record in caplog.records] == [
        "a question came without X-Forwarded-For: all visitors then seem to be the server that asks"
    ]
