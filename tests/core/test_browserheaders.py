from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.behaviour import Behaviour
from scrapeguard.core.browserheaders import BrowserHeaders, is_local
from scrapeguard.core.clients import ClientKey, Conduct
from scrapeguard.core.decision import Action
from scrapeguard.core.history import History
from scrapeguard.core.ledger import Ledger
from scrapeguard.core.pages import is_asset
from scrapeguard.core.request import Request
from scrapeguard.core.signals import SIGNALS
from scrapeguard.errors import CatalogueError
from scrapeguard.guard import Guard
from scrapeguard.rulefile.browsers import load_engines, read_engines

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "browser_headers.yaml").read_text(encoding="utf-8"))
ENGINES = load_engines()
THRESHOLD = 100


def request(case):
    sent = {}
    for group in case["sends"]:
        sent |= CORPUS["headers"][group]
    return Request.of(
        case.get("path", "/page"),
        method=case.get("method", "GET"),
        headers={**sent, **case.get("more", {})},
        user_agent=CORPUS["agents"][case["agent"]],
        host="site.example",
        scheme=case.get("scheme", "https"),
    )


def signs(asked, scheme):
    return [evidence.signal for evidence in BrowserHeaders(ENGINES).evidence(asked, scheme)]


def written(case, browsers, **more):
    headers = [(name, "x") for name in case["names"]]
    asked = Request.of("/page", headers=headers, host="site.example")
    agent = CORPUS["agents"][case["agent"]].encode()
    asked = asked._replace(user_agent=agent, http_version=str(case.get("http", "1.1")), **more)
    return [said.signal for said in browsers.as_written(asked)]


def guard_of(policy):
    browsers = BrowserHeaders(ENGINES)
    return Guard(policy, behaviour=Behaviour(browsers=browsers, history=History(), ledger=Ledger()))


@pytest.mark.parametrize("case", CORPUS["people"], ids=lambda case: case["name"])
def test_people_are_taken_for_people(case, default_policy):
    asked = request(case)
    found = signs(asked, asked.scheme)
    assert found == case.get("signs", [])
    assert sum(SIGNALS[sign].weight for sign in found) < THRESHOLD
    assert not guard_of(default_policy).assess(asked).action.refuses


@pytest.mark.parametrize("case", CORPUS["borrowers"], ids=lambda case: case["name"])
def test_who_borrows_a_name_is_seen(case):
    asked = request(case)
    assert signs(asked, "https") == case["signs"]
    if "http" in case:
        assert signs(asked, "http") == case["http"]


def test_a_script_with_a_borrowed_name_is_refused_and_told_why(default_policy):
    asked = request(CORPUS["borrowers"][0])
    decision = guard_of(default_policy).assess(asked)
    assert (decision.action, decision.rule, decision.score) == (Action.BLOCK, "thresholds.100", 120)
    assert "chromium 142 without Sec-Fetch-*" in [reason.evidence for reason in decision.reasons]
    assert Guard(default_policy).assess(asked).action is Action.ALLOW


@pytest.mark.parametrize("missing", ["no-accept-language", "no-compression", "no-sec-fetch", "no-client-hints"])
def test_no_header_that_is_missing_refuses_alone(missing):
    assert 0 < SIGNALS[missing].weight < THRESHOLD


def test_who_names_no_browser_is_not_judged(default_policy):
    guard = guard_of(default_policy)
    for agent in (
        "curl/8.0",
        "Miniflux/2.2",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ):
        decision = guard.assess(Request.of("/", user_agent=agent, host="localhost"))
        assert not decision.action.refuses
        assert {reason.signal for reason in decision.reasons} <= {"declared-agent"}


def test_the_same_headers_are_judged_once():
    browsers = BrowserHeaders(ENGINES)
    asked = request(CORPUS["borrowers"][0])

    def judged(request, scheme="https"):
        return browsers.evidence(request, scheme)

    assert judged(asked) is judged(asked._replace(path="/other"))
    assert judged(asked, "http") is not judged(asked)
    long = asked._replace(sent={b"sec-ch-ua": b"x" * 5000})
    assert judged(long) is not judged(long)


CHROME = {
    "accept-language": "en",
    "accept-encoding": "gzip",
    "sec-ch-ua": '"Chromium";v="142"',
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-site": "none",
}


def test_a_client_is_judged_anew_where_it_comes_another_way():
    browsers, conduct = BrowserHeaders(ENGINES), Conduct(ClientKey("192.0.2.1", None, None), 0.0)

    def judged(scheme="https", **changed):
        sent = {name: value for name, value in {**CHROME, **changed}.items() if value is not None}
        asked = Request.of("/", user_agent=CORPUS["agents"]["chrome"], host="www.example.org", headers=sent)
        found = browsers.of_client(asked, scheme, conduct)
        assert {said.signal for said in found} == {said.signal for said in browsers.evidence(asked, scheme)}
        return found

    assert judged() == judged() == ()
    lacking = {"sec-fetch-site": "same-origin", "accept-language": None}
    assert judged(**lacking)
    assert judged("http", **lacking)
    # What scripts of a page fetch is no page, and changes nothing of what was said of pages.
    assert judged(**lacking, **{"sec-fetch-mode": "cors"}) == ()
    assert judged(**lacking)
    assert judged() == ()


@given(
    st.lists(st.tuples(st.sampled_from([b"sec-ch-ua", b"sec-fetch-mode", b"accept-encoding"]), st.binary(max_size=40)))
)
def test_any_headers_can_be_judged(headers):
    asked = Request.of("/", user_agent=CORPUS["agents"]["chrome"], host="localhost")
    found = signs(asked._replace(sent=dict(headers)), "http")
    assert set(found) <= set(SIGNALS)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("a.localhost", True),
        ("127.0.0.1:80", True),
        ("[::1]:80", True),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_what_browsers_take_for_their_own_machine(host, local):
    assert is_local(host) is local


@pytest.mark.parametrize(
    ("path", "asset"),
    [
        ("/a.css", True),
        ("/a/B.PNG", True),
        ("/a.b.js", True),
        ("/a", False),
        ("/css", False),
        ("/a.html", False),
        ("/x.css/", False),
    ],
)
def test_what_is_part_of_a_page(path, asset):
    assert is_asset(path) is asset


@pytest.mark.parametrize("case", CORPUS["written"], ids=lambda case: case["name"])
def test_how_a_request_is_written_tells_who_wrote_it(case):
    browsers = BrowserHeaders(ENGINES)
    if "seen" in case:
        written({"agent": "chrome", "names": ["host", "user-agent"], "http": case["seen"]}, browsers)
    assert written(case, browsers) == written(case, browsers) == case["signs"]


def test_what_a_proxy_wrote_anew_tells_nothing():
    case = next(case for case in CORPUS["written"] if case["signs"] == ["foreign-header-order"])
    assert written(case, BrowserHeaders(ENGINES, proxied=True)) == []
    assert written(case, BrowserHeaders(ENGINES), resolved=True) == []


def test_how_requests_are_written_refuses_nobody_and_passing_explains_it():
    signs_of_writing = ("foreign-header-order", "impossible-header", "old-http", "always-typed")
    assert sum(SIGNALS[sign].weight for sign in signs_of_writing) < THRESHOLD


@given(st.lists(st.binary(max_size=12), max_size=30), st.sampled_from(["", "1.0", "1.1", "2"]))
def test_any_names_can_be_judged(names, version):
    agent = CORPUS["agents"]["chrome"].encode()
    asked = Request(sent=dict.fromkeys(names, b""), user_agent=agent, http_version=version)
    BrowserHeaders(ENGINES).as_written(asked)


@pytest.mark.parametrize(
    "text", ["engines: [{name: a, match: A/, oops: 1}]", "engines: [{name: a, match: A/, sends: {x: 1}}]"]
)
def test_a_table_with_unknown_words_is_refused(text):
    with pytest.raises(CatalogueError, match="a: unknown word"):
        read_engines(text)
