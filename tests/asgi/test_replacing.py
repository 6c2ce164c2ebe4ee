"""True pages and false ones mixed: which are which, to whom, and that every way in says the same."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from scrapeguard.app import ForwardAuth, ScrapeGuard
from scrapeguard.cli import main
from scrapeguard.rulefile.load import load_policy

SECRET = "a secret of the tests, long enough"
RULES = """version: 1
extends: default
events: {log: off}
verification: {dns: off, refresh: off}
traps: {live: on}
agents: {GPTBot: decoy, browser: decoy}
"""
BOT = {"user-agent": "GPTBot/1.3", "accept": "text/html"}
PATHS = [f"/articles/{number}" for number in range(200)]


@pytest.fixture
def policy(tmp_path, catalogue, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", SECRET)

    def load(more="decoys: {serve: on, replace: 30}\n"):
        (tmp_path / "rules.yaml").write_text(RULES + more)
        return load_policy(tmp_path / "rules.yaml", catalogue=catalogue)

    return load


def site(refuse=""):
    async def page(request):
        if refuse and request.url.path.startswith(refuse):
            request.scope["scrapeguard"].refuse_ai()
        return PlainTextResponse("true")

    async def talk(socket):
        await socket.accept()
        await socket.close()

    methods = ["GET", "POST", "HEAD"]
    return Starlette(routes=[WebSocketRoute("/{path:path}", talk), Route("/{path:path}", page, methods=methods)])


def asked(app, *targets, method="GET", headers=BOT):
    async def ask():
        transport = httpx.ASGITransport(app, client=("203.0.113.9", 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(method, target, headers=headers) for target in targets]

    return asyncio.run(ask())


def opened(app, path):
    """What a handshake for a WebSocket is answered with."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    headers = [(name.encode(), value.encode()) for name, value in BOT.items()]
    scope = {"type": "websocket", "scheme": "ws", "path": path, "raw_path": path.encode(), "query_string": b""}
    asyncio.run(app({**scope, "headers": headers, "client": ("203.0.113.9", 5), "subprotocols": []}, receive, send))
    return sent[0]


def truths(answers):
    return [answer.text == "true" for answer in answers]


def test_so_many_per_cent_are_false_and_always_the_same(policy):
    first = truths(asked(ScrapeGuard(site(), policy()), *PATHS))
    assert 0.18 * len(PATHS) < first.count(False) < 0.42 * len(PATHS)
    assert truths(asked(ScrapeGuard(site(), policy()), *PATHS)) == first


def test_without_a_word_all_are_false(policy):
    assert not any(truths(asked(ScrapeGuard(site(), policy("decoys: {serve: on}\n")), *PATHS[:50])))


def test_another_secret_or_host_replaces_others(policy, monkeypatch):
    first = truths(asked(ScrapeGuard(site(), policy()), *PATHS))
    other_host = policy("decoys: {serve: on, replace: 30, host: other.example}\n")
    assert truths(asked(ScrapeGuard(site(), other_host), *PATHS)) != first
    monkeypatch.setenv("SCRAPEGUARD_SECRET", SECRET[::-1])
    assert truths(asked(ScrapeGuard(site(), policy()), *PATHS)) != first


def test_an_address_is_true_or_false_however_it_is_written(policy):
    app = ScrapeGuard(site(), policy())
    for path in PATHS[:30]:
        number = path.rpartition("/")[2]
        forms = (path, f"{path}/", f"{path}?page=2", f"/%61rticles/{number}", f"/articles//{number}", f"{path}.png")
        assert len(set(truths(asked(app, *forms)))) == 1


def test_the_maze_is_false_throughout(policy):
    app, seen, waiting = ScrapeGuard(site(), policy()), set(), ["/articles/2"]
    false = next(path for path in PATHS if truths(asked(app, path)) == [False])
    waiting = [false]
    while waiting and len(seen) < 60:
        path = waiting.pop(0)
        (answer,) = asked(app, path)
        assert answer.text != "true", path
        seen.add(path)
        found = re.findall(r'(?:href|src)="(/[^"]+)"', answer.text)
        waiting += [link for link in dict.fromkeys(found) if link not in seen and not link.endswith(".css")]
    assert len(seen) == 60
    assert any(path.endswith((".svg", ".png")) for path in seen)


def test_who_does_not_read_is_refused_as_before(policy):
    app = ScrapeGuard(site(), policy())
    assert {answer.status_code for answer in asked(app, *PATHS[:40], method="POST")} == {403}
    assert {opened(app, path) for path in PATHS[:40]} == {"websocket.close"}
    upgrade = {**BOT, "upgrade": "websocket", "connection": "upgrade"}
    assert not any(truths(asked(app, *PATHS[:40], headers=upgrade)))


def test_what_is_kept_from_ai_is_never_true(policy):
    more = """decoys: {serve: on, replace: 1, never: [/never/]}
sharing: {paths: {/private/: private}}
rules:
  - {name: secrets, when: {any: [{path: /secret/}, {path: /hidden/}], not: {method: POST}}, action: decoy}
  - {name: liars, when: {header: {x-lie: yes}}, action: decoy}
"""
    app = ScrapeGuard(site(refuse="/marked/"), policy(more))
    app.guard.refused_paths = type(app.guard.refused_paths)(["/refused/"])
    firefox = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    for agent in (BOT, firefox, {"user-agent": "curl/8", "x-lie": "yes"}):
        assert all(truths(asked(app, *PATHS[:20], headers=agent))[1:])
        for folder in ("private", "refused", "marked", "secret", "hidden", app.guard.closed[0].strip("/")):
            assert not any(truths(asked(app, *(f"/{folder}/{number}" for number in range(10)), headers=agent))), folder
        never = asked(app, *(f"/never/{number}" for number in range(10)), headers=agent)
        assert {answer.status_code for answer in never} == {403}


def test_everybody_else_notices_nothing(policy):
    app = ScrapeGuard(site(), policy())
    assert all(truths(asked(app, *PATHS[:40], headers={"user-agent": "curl/8"})))
    assert {answer.status_code for answer in asked(app, *PATHS[:40], headers={"user-agent": "ClaudeBot/1.0"})} == {403}


def test_what_passes_is_noted_with_its_reason(policy):
    events = []
    answers = asked(ScrapeGuard(site(), policy(), record=events.append), *PATHS)
    rules = [event.decision.rule for event in events]
    assert rules == ["decoys.replace" if true else "agents.GPTBot" for true in truths(answers)]
    assert {event.decision.action for event in events} == {"observe", "decoy"}


def test_a_decision_service_says_the_same(policy):
    service = ForwardAuth(policy())
    answers = []
    for path in PATHS:
        told = {"x-forwarded-method": "GET", "x-forwarded-uri": path, "x-forwarded-host": "localhost"}
        transport = httpx.ASGITransport(service, client=("127.0.0.1", 5))

        async def ask(transport=transport, told=told):
            async with httpx.AsyncClient(transport=transport, base_url="http://auth") as client:
                return await client.get("/decide/caddy", headers={**BOT, **told, "x-forwarded-for": "203.0.113.9"})

        answers.append(asyncio.run(ask()).headers["x-scrapeguard-verdict"])
    assert set(answers) == {"observe", "decoy"}
    assert [answer == "observe" for answer in answers] == truths(asked(ScrapeGuard(site(), policy()), *PATHS))


def test_explain_says_the_same(policy, tmp_path, capsys):
    true = truths(asked(ScrapeGuard(site(), policy()), *PATHS[:2]))
    for path, is_true in zip(PATHS[:2], true, strict=True):
        command = ["explain", "--rules", str(tmp_path / "rules.yaml"), "--user-agent", "GPTBot/1.3", "--path", path]
        assert main(command) == 0
        assert ("decoys.replace" in capsys.readouterr().out) is is_true
