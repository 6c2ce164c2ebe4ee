"""One table of requests, through the middleware and through each server: the same decisions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import unquote

import yaml

from scrapeguard import ScrapeGuard, load_policy

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "same_verdict.yaml").read_text(encoding="utf-8"))
REQUESTS = CORPUS["requests"]
PASSED = {"allow": "allow", "observe": "observe", "passes": "observe"}
SAID = ("action", "status", "rule", "score", "agent", "client", "reasons", "enforced", "method")


def lines_of(request):
    return [*CORPUS["agents"][request["agent"]], *request.get("sends", [])]


def by_middleware(site):
    """What the middleware decides on each request, as it would log it."""
    events = []

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    async def send(message):
        pass

    async def run():
        app = ScrapeGuard(page, load_policy(site.rules), record=events.append, record_all=True)
        for request in REQUESTS:
            await app(scope_of(request), None, send)
        await app._background.stop()

    asyncio.run(run())
    return [(event.decision, json.loads(event.to_json())) for event in events]


def scope_of(request):
    path, _, query = request.get("target", "/").partition("?")
    headers = [("host", request.get("host", "shop.example")), *lines_of(request)]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.get("method", "GET"),
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": (request.get("client", "127.0.0.9"), 4711),
        "server": ("127.0.0.1", 80),
    }


def test_each_request_gets_the_decision_of_the_middleware(site):
    decided = by_middleware(site)
    wrong, expected = [], []
    for request, (decision, event) in zip(REQUESTS, decided, strict=True):
        answer = site.ask(
            request.get("target", "/"),
            method=request.get("method", "GET"),
            host=request.get("host", "shop.example"),
            headers=lines_of(request),
            body=request.get("body", "").encode(),
            client=request.get("client", "127.0.0.9"),
        )
        got = (answer.status, answer.headers["x-app"])
        if got != ((decision.status, None) if decision.refused else (200, "yes")):
            wrong.append((request, got))
        elif not decision.refused and request.get("method") != "HEAD":
            assert answer.seen_header("x-scrapeguard-verdict") == [PASSED[request["expect"]]], request
        if decision.action != "allow":
            expected.append((request, event))
    assert wrong == []
    site.wait_for_events(len(expected))
    for (request, event), written in zip(expected, site.written_events(), strict=True):
        assert {name: written[name] for name in SAID} == {name: event[name] for name in SAID}, request


def test_the_middleware_decides_as_the_table_says(rules):
    decided = by_middleware(rules)
    for request, (decision, _) in zip(REQUESTS, decided, strict=True):
        effect = "passes" if decision.action.refuses and not decision.refused else str(decision.action)
        assert effect == request["expect"], request
