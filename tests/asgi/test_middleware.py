from __future__ import annotations

import asyncio
import json
import time
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.app import ScrapeGuard
from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.forwarded import Proxies
from scrapeguard.core.policy import Policy, Refusal, SitePolicy
from scrapeguard.core.sharing import Use
from scrapeguard.guard import Guard

GPTBOT = (b"user-agent", b"GPTBot/1.2")
FIREFOX = (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
CLOSED = {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}


class App:
    """An app that records the scopes it is given and answers 200."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"app"})


def scope(path="/", *headers, method="GET", kind="http", **more):
    return {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "scheme": "http",
        "client": ("192.0.2.1", 1234),
        **more,
    }


def drive(app, connection, incoming=()):
    sent, waiting = [], list(incoming)

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app(connection, receive, send))
    return sent


def answer(sent):
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


@pytest.fixture
def app():
    return App()


@pytest.fixture
def guarded(app, guard):
    return GuardMiddleware(app, guard, new_reference=lambda: "ref-1", clock=lambda: 1.0)


def test_the_decision_reaches_the_app(app, guarded):
    assert answer(drive(guarded, scope("/", FIREFOX)))[0] == 200
    decision = app.scopes[0]["scrapeguard"]
    assert (decision.action, decision.client, decision.agent.purpose) == (Action.ALLOW, "192.0.2.1", "browser")


def test_a_refused_client_never_reaches_the_app_and_nothing_of_its_body_is_read(app, guarded):
    status, headers, body = answer(drive(guarded, scope("/", GPTBOT, method="POST"), incoming=()))
    assert status == 403
    assert app.scopes == []
    assert headers[b"cache-control"] == b"private, no-store"
    assert headers[b"vary"] == b"User-Agent, Accept"
    assert headers[b"content-length"] == b"%d" % len(body)
    assert headers[b"x-scrapeguard-reference"] == b"ref-1"
    assert b"Reference: ref-1" in body


def test_head_gets_the_headers_of_get_without_a_body(guarded):
    _, of_get, _ = answer(drive(guarded, scope("/", GPTBOT)))
    status, of_head, body = answer(drive(guarded, scope("/", GPTBOT, method="HEAD")))
    assert (status, of_head, body) == (403, of_get, b"")


def test_the_reference_of_a_refusal_finds_its_event(app, guard):
    events = []
    guarded = GuardMiddleware(app, guard, record=events.append, clock=lambda: 7.0)
    _, headers, body = answer(drive(guarded, scope("/p", GPTBOT, (b"accept", b"application/json"))))
    (event,) = events
    assert json.loads(body)["reference"] == event.reference == headers[b"x-scrapeguard-reference"].decode()
    assert (event.time, event.path, event.decision.rule) == (7.0, "/p", "agents.training")
    assert len({drive(guarded, scope("/", GPTBOT))[1]["body"] for _ in range(20)}) == 20


def test_allowed_requests_are_events_only_on_request(app, guard):
    few, all_of_them = [], []
    drive(GuardMiddleware(app, guard, record=few.append), scope("/", FIREFOX))
    drive(GuardMiddleware(app, guard, record=all_of_them.append, record_all=True), scope("/", FIREFOX))
    assert (len(few), len(all_of_them)) == (0, 1)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_robots_txt_is_for_everybody(app, guarded, method):
    for client in (GPTBOT, FIREFOX):
        status, headers, body = answer(drive(guarded, scope("/robots.txt", client, method=method)))
        assert (status, headers[b"content-type"]) == (200, b"text/plain; charset=utf-8")
        assert headers[b"cache-control"] == b"max-age=3600"
        assert (b"User-agent: GPTBot" in body) is (method == "GET")
        assert int(headers[b"content-length"]) > 1000
    assert [asked["method"] for asked in app.scopes] == ["GET"]


def test_robots_txt_is_not_sent_again_to_who_has_it(guarded):
    _, headers, _ = answer(drive(guarded, scope("/robots.txt")))
    etag = headers[b"etag"]
    for known in (etag, b"W/" + etag, b'"other", ' + etag, b"*"):
        status, headers, body = answer(drive(guarded, scope("/robots.txt", (b"if-none-match", known))))
        assert (status, body, headers[b"etag"]) == (304, b"", etag)
        assert b"content-length" not in headers
    assert answer(drive(guarded, scope("/robots.txt", (b"if-none-match", b'"other"'))))[0] == 200


@pytest.mark.parametrize("path", ["//robots.txt", "/./robots.txt", "/x/../robots.txt", "/robots.txt/", "/ROBOTS.TXT"])
def test_what_only_resembles_robots_txt_gains_nothing(app, guarded, path):
    assert answer(drive(guarded, scope(path, GPTBOT)))[0] == 403
    assert app.scopes == []


def test_robots_txt_differs_by_site(app, catalogue):
    open_site = SitePolicy(dict.fromkeys(Use, True))
    policy = Policy(SitePolicy(CLOSED), catalogue, sites={"open.example": open_site})
    guarded = GuardMiddleware(app, Guard(policy))
    closed = answer(drive(guarded, scope("/robots.txt", (b"host", b"closed.example"))))[2]
    assert b"GPTBot" in closed
    assert b"GPTBot" not in answer(drive(guarded, scope("/robots.txt", (b"host", b"open.example"))))[2]


def test_observe_changes_nothing_and_says_what_it_would_have_done(app, catalogue):
    events = []
    policy = Policy(SitePolicy(CLOSED, mode=Mode.OBSERVE), catalogue)
    guarded = GuardMiddleware(app, Guard(policy), record=events.append)
    assert answer(drive(guarded, scope("/", GPTBOT)))[2] == b"app"
    assert answer(drive(guarded, scope("/robots.txt", GPTBOT)))[2] == b"app"
    assert answer(drive(guarded, scope("no-path", GPTBOT)))[2] == b"app"
    records = [json.loads(event.to_json()) for event in events]
    assert [(r["path"], r["action"], r["status"], r["enforced"]) for r in records] == [
        ("/", "block", 403, False),
        ("/robots.txt", "block", 403, False),
    ]
    assert app.scopes[0]["scrapeguard"].refused is False


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (scope("/", (b"host", b"a"), (b"host", b"b")), b"more than one Host"),
        (scope("http://h/", raw_path=b"http://h/"), b"not a path"),
        (scope("*"), b"not a path"),
    ],
)
def test_what_two_servers_could_read_in_two_ways_is_refused(app, guarded, broken, why):
    status, headers, body = answer(drive(guarded, broken))
    assert status == 400
    assert why in body
    assert headers[b"cache-control"] == b"private, no-store"
    assert app.scopes == []


def test_the_target_of_options_may_be_a_star(app, guarded):
    assert answer(drive(guarded, scope("*", FIREFOX, method="OPTIONS")))[0] == 200


class Failing(Guard):
    def assess(self, request):
        raise RuntimeError("ours")


@pytest.mark.parametrize(("on_error", "status"), [(Action.ALLOW, 200), (Action.BLOCK, 403)])
def test_an_error_of_its_own_is_the_owners_choice_is_said_once_and_counted(app, catalogue, caplog, on_error, status):
    guarded = GuardMiddleware(app, Failing(Policy(SitePolicy(CLOSED), catalogue, on_error=on_error)))
    assert {answer(drive(guarded, scope("/", FIREFOX)))[0] for _ in range(3)} == {status}
    assert guarded.errors == 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "RuntimeError: ours" in caplog.text


def test_a_recorder_that_fails_lets_nobody_in_and_is_counted(app, guard, caplog):
    def broken(event):
        raise RuntimeError("recorder")

    guarded = GuardMiddleware(app, guard, record=broken)
    assert {answer(drive(guarded, scope("/", GPTBOT)))[0] for _ in range(2)} == {403}
    assert guarded.errors == 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize("mode", Mode)
def test_the_app_always_finds_a_decision(app, catalogue, mode):
    guarded = GuardMiddleware(app, Guard(Policy(SitePolicy(CLOSED, mode=mode), catalogue)))
    for path in ("/", "/robots.txt", "no-path"):
        drive(guarded, scope(path, FIREFOX))
    assert app.scopes
    assert all("scrapeguard" in connection for connection in app.scopes)


def test_an_error_of_the_app_is_not_ours(guard):
    async def broken(scope, receive, send):
        raise LookupError("theirs")

    guarded = GuardMiddleware(broken, guard)
    with pytest.raises(LookupError, match="theirs"):
        drive(guarded, scope("/", FIREFOX))
    assert guarded.errors == 0


@pytest.mark.parametrize("kind", ["lifespan", "unheard-of"])
def test_other_kinds_of_scope_pass_untouched(app, guarded, kind):
    connection = {"type": kind}
    drive(guarded, connection)
    assert app.scopes == [{"type": kind}]
    assert app.scopes[0] is connection


def test_a_websocket_is_refused_with_the_whole_answer_where_the_server_can(app, guarded):
    connection = scope("/ws", GPTBOT, kind="websocket", extensions={"websocket.http.response": {}})
    del connection["method"]
    start, body = drive(guarded, connection, [{"type": "websocket.connect"}])
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert (body["type"], b"Reference" in body["body"]) == ("websocket.http.response.body", True)
    assert app.scopes == []


def test_a_websocket_is_closed_before_it_opens_where_it_cannot(guarded):
    connection = scope("/robots.txt", GPTBOT, kind="websocket")
    (close,) = drive(guarded, connection, [{"type": "websocket.connect"}])
    assert (close["type"], close["code"]) == ("websocket.close", 1008)


def test_the_client_is_resolved_through_trusted_proxies(app, catalogue):
    policy = Policy(SitePolicy(CLOSED), catalogue, proxies=Proxies([ip_network("192.0.2.0/24")]))
    guarded = GuardMiddleware(app, Guard(policy))
    forwarded = (b"x-forwarded-for", b"66.249.66.1, 198.51.100.7")
    drive(guarded, scope("/", FIREFOX, forwarded))
    drive(guarded, scope("/", FIREFOX, forwarded, client=("192.0.2.7", 0)))
    assert [connection["scrapeguard"].client for connection in app.scopes] == ["198.51.100.7", "192.0.2.7"]


def test_a_proxy_that_is_not_named_is_noticed(app, guard, caplog):
    guarded = GuardMiddleware(app, guard)
    for _ in range(1100):
        drive(guarded, scope("/", FIREFOX, client=("10.0.0.1", 1)))
    (record,) = caplog.records
    assert "every client so far has the address 10.0.0.1" in record.getMessage()


def test_a_server_that_gives_an_empty_raw_path_gives_none(app, guarded):
    assert answer(drive(guarded, scope("/", FIREFOX, raw_path=b"")))[0] == 200


def test_a_client_without_an_address_and_a_server_without_raw_paths_are_ordinary(app, guarded):
    connection = scope("/caf\u00e9 ?", FIREFOX, client=None)
    del connection["raw_path"]
    drive(guarded, connection)
    assert app.scopes[0]["scrapeguard"].client is None


def test_the_page_is_the_owners(app, catalogue):
    refusal = Refusal("No <robots>", "Please & thanks", "me@example.org", "<p>$title $text $contact $reference $$</p>")
    guarded = GuardMiddleware(
        app, Guard(Policy(SitePolicy(CLOSED, refusal=refusal), catalogue)), new_reference=lambda: "r"
    )
    page = answer(drive(guarded, scope("/", GPTBOT, (b"accept", b"text/html"))))[2].decode()
    assert page.startswith("<p>No &lt;robots&gt; Please &amp; thanks ")
    assert '<a href="mailto:me@example.org">me@example.org</a>' in page
    assert page.endswith(" r $</p>")
    problem = json.loads(answer(drive(guarded, scope("/", GPTBOT, (b"accept", b"application/json"))))[2])
    assert problem == {
        "type": "about:blank",
        "title": "No <robots>",
        "status": 403,
        "detail": "Please & thanks",
        "reference": "r",
        "contact": "me@example.org",
    }
    assert "tell me@example.org" in answer(drive(guarded, scope("/", GPTBOT)))[2].decode()


def test_the_built_in_page_needs_no_script_and_loads_nothing(guarded):
    _, headers, body = answer(drive(guarded, scope("/", GPTBOT, (b"accept", b"text/html"))))
    page = body.decode()
    assert page.count("ref-1") == 1
    assert '<html lang="en">' in page
    assert not any(word in page for word in ("<script", "src=", "url(", "<link"))
    assert b"default-src 'none'" in headers[b"content-security-policy"]


MESSAGES = st.lists(
    st.one_of(
        st.just({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}),
        st.builds(
            lambda body, more: {"type": "http.response.body", "body": body, "more_body": more},
            st.binary(),
            st.booleans(),
        ),
        st.just({"type": "http.response.pathsend", "path": "/x"}),
    )
)


@given(MESSAGES)
def test_an_allowed_request_passes_whatever_the_app_sends(messages):
    async def app(scope, receive, send):
        assert await receive() == {"type": "http.request"}
        for message in messages:
            await send(message)

    sent = drive(_OPEN(app), scope("/", FIREFOX), [{"type": "http.request"}])
    assert len(sent) == len(messages)
    for ours, theirs in zip(sent, messages, strict=True):
        if theirs["type"] == "http.response.start":
            assert ours["headers"][: len(theirs["headers"])] == theirs["headers"]
            assert {**ours, "headers": None} == {**theirs, "headers": None}
        else:
            assert ours is theirs


class _OPEN:
    """A middleware with the default policy, loaded once for all examples."""

    guard = None

    def __new__(cls, app):
        from scrapeguard import load_policy

        cls.guard = cls.guard or Guard(load_policy())
        return GuardMiddleware(app, cls.guard)


def test_the_public_class_needs_nothing_but_the_app(app, capsys):
    guarded = ScrapeGuard(app)
    assert answer(drive(guarded, scope("/", GPTBOT)))[0] == 403
    guarded._record.__self__.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["rule"] == "agents.training"


def test_a_log_that_was_rotated_is_begun_anew(app, tmp_path):
    rules, log = tmp_path / "rules.yaml", tmp_path / "events.log"
    rules.write_text(f"version: 1\nextends: default\nevents: {{log: {log}}}\n")
    guarded = ScrapeGuard(app, rules)

    def refused(lines, file):
        drive(guarded, scope("/", GPTBOT))
        deadline = time.monotonic() + 10
        while not file.exists() or len(file.read_text().splitlines()) < lines:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    refused(1, log)
    log.rename(tmp_path / "events.log.1")
    refused(1, log)
    refused(2, log)
    assert len((tmp_path / "events.log.1").read_text().splitlines()) == 1


@pytest.mark.parametrize("target", ["off", "logging", "file"])
def test_events_go_where_the_rules_say(app, target, tmp_path, caplog):
    rules = tmp_path / "rules.yaml"
    log = tmp_path / "events.log"
    rules.write_text(f"version: 1\nextends: default\nevents: {{log: {log if target == 'file' else target}}}\n")
    guarded = ScrapeGuard(app, rules=rules)
    with caplog.at_level("INFO", "scrapeguard.events"):
        drive(guarded, scope("/", GPTBOT))
        if target == "off":
            assert guarded._record is None
            return
        guarded._record.__self__.close()
    (line,) = log.read_text().splitlines() if target == "file" else caplog.messages
    assert json.loads(line)["path"] == "/"


def _announced(headers):
    return {name: headers.get(name) for name in (b"content-usage", b"tdm-reservation", b"x-robots-tag")}


SAID = {
    b"content-usage": b"train-ai=n, ai-use=n",
    b"tdm-reservation": b"1",
    b"x-robots-tag": b"noai, noimageai",
}


def test_an_answer_of_our_own_says_it_too(app, guarded, catalogue):
    status, headers, _ = answer(drive(guarded, scope("/", (b"host", b"a"), (b"host", b"b"))))
    assert (status, _announced(headers)) == (400, SAID)

    async def broken(scope, receive, send):
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    status, headers, _ = answer(drive(GuardMiddleware(broken, guarded.guard), scope("/robots.txt")))
    assert (status, _announced(headers)) == (503, SAID)
    failing = GuardMiddleware(app, Guard(Policy(SitePolicy(CLOSED), catalogue, on_error=Action.BLOCK)))
    failing.guard.assess = None
    status, headers, _ = answer(drive(failing, scope("/")))
    assert (status, _announced(headers)) == (403, SAID)


def test_a_request_that_cannot_be_read_passes_with_what_is_said_of_any_page(app, catalogue):
    observing = GuardMiddleware(app, Guard(Policy(SitePolicy(CLOSED, mode=Mode.OBSERVE), catalogue)))
    status, headers, _ = answer(drive(observing, scope("/", (b"host", b"a"), (b"host", b"b"))))
    assert (status, headers) == (200, {})
