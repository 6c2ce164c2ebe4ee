"""The authors of pages refuse AI: by a mark on the response, a header of it, or a list of paths."""

from __future__ import annotations

import asyncio
import gc
import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from scrapeguard.app import ScrapeGuard
from scrapeguard.asgi import background, refusedpaths
from scrapeguard.asgi.background import Background
from scrapeguard.asgi.refusedpaths import MAX_PATHS, MAX_WILDCARDS, RefusedPathsJob
from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.robotsfile import MAX_SIZE
from scrapeguard.core.sharing import RefusedPaths
from scrapeguard.guard import Guard
from scrapeguard.rulefile.load import load_policy

CLAUDE_USER, FIREFOX, GOOGLEBOT = "Claude-User/1.0", "Firefox", "Googlebot/2.1"
CLOSED = {"content-usage": "train-ai=n, ai-use=n", "tdm-reservation": "1", "x-robots-tag": "noai, noimageai"}
OPEN = "version: 1\nextends: default\nsharing: {train: allow, ai-use: allow}\nevents: {log: off}\n"


@pytest.fixture
def policy(tmp_path, catalogue):
    def policy(more=""):
        path = tmp_path / "rules.yaml"
        path.write_text(OPEN + more)
        return load_policy(path, catalogue=catalogue)

    return policy


def by_call(request):
    request.scope["scrapeguard"].refuse_ai()
    return PlainTextResponse("a poem")


def by_header(request):
    return PlainTextResponse("a poem", headers={"X-Scrapeguard-Sharing": " Deny "})


async def streamed(request):
    request.scope["scrapeguard"].refuse_ai()
    return StreamingResponse(iter(["a ", "poem"]))


def file(request):
    request.scope["scrapeguard"].refuse_ai()
    return FileResponse(__file__)


def unchanged(request):
    return Response(status_code=304, headers={"X-Scrapeguard-Sharing": "deny"})


def not_marked(request):
    return PlainTextResponse("a poem")


def mistaken(request):
    return PlainTextResponse("a poem", headers={"X-Scrapeguard-Sharing": "no"})


HANDLERS = [by_call, by_header, streamed, file, unchanged, not_marked, mistaken]
MARKED = [f"/{handler.__name__}" for handler in HANDLERS[:5]]


def site():
    return Starlette(routes=[Route(f"/{handler.__name__}", handler) for handler in HANDLERS])


def ask(app, path, agent, method="GET"):
    async def ask_one():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
            return await client.request(method, path, headers={"user-agent": agent})

    return asyncio.run(ask_one())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", MARKED)
def test_ai_that_may_read_the_rest_is_refused_a_marked_page(policy, path, method):
    app = ScrapeGuard(site(), policy())
    assert ask(app, "/not_marked", CLAUDE_USER).text == "a poem"
    response = ask(app, path, CLAUDE_USER, method)
    assert response.status_code == 403
    assert response.headers["cache-control"] == "private, no-store"
    assert "poem" not in response.text
    assert {name: response.headers[name] for name in CLOSED} == CLOSED
    assert "x-scrapeguard-sharing" not in response.headers


@pytest.mark.parametrize("agent", [FIREFOX, GOOGLEBOT, "curl/8.0"])
@pytest.mark.parametrize("path", MARKED)
def test_everybody_else_gets_it_and_is_told(policy, path, agent):
    response = ask(ScrapeGuard(site(), policy()), path, agent)
    assert response.status_code in (200, 304)
    assert {name: response.headers[name] for name in CLOSED} == CLOSED
    assert "x-scrapeguard-sharing" not in response.headers


def test_what_is_not_marked_is_not_announced(policy):
    response = ask(ScrapeGuard(site(), policy()), "/not_marked", FIREFOX)
    assert not CLOSED.keys() & response.headers.keys()


def test_a_word_that_means_nothing_is_taken_out_and_told(policy, caplog):
    response = ask(ScrapeGuard(site(), policy()), "/mistaken", CLAUDE_USER)
    assert response.status_code == 200
    assert "x-scrapeguard-sharing" not in response.headers
    assert "only `deny` means something" in caplog.text


def test_where_nothing_is_enforced_the_refusal_is_only_written_down(policy):
    events = []
    app = ScrapeGuard(site(), policy("mode: observe\n"), record=events.append)
    response = ask(app, "/by_header", CLAUDE_USER)
    assert (response.status_code, response.text) == (200, "a poem")
    assert "x-scrapeguard-sharing" not in response.headers
    assert not CLOSED.keys() & response.headers.keys()
    (event,) = events
    assert (event.decision.action, event.decision.rule, event.decision.mode) == (
        Action.BLOCK,
        "sharing.author",
        Mode.OBSERVE,
    )


def test_a_refusal_in_the_name_of_an_author_is_an_event_with_its_reference(policy):
    events = []
    response = ask(ScrapeGuard(site(), policy(), record=events.append), "/by_call", CLAUDE_USER)
    (event,) = events
    assert event.reference == response.headers["x-scrapeguard-reference"]
    assert event.decision.agent.name == "Claude-User"


def _exchange(app, path="/", spec_version="2.4", method="GET"):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"host", b"h"), (b"user-agent", CLAUDE_USER.encode())],
        "client": ("192.0.2.1", 1),
    }
    asyncio.run(app(scope, receive, send))
    return sent


@pytest.mark.parametrize(("spec_version", "rounds"), [("2.4", 1), ("2.3", 50)])
def test_an_app_that_streams_without_end_is_told_that_nobody_reads(policy, spec_version, rounds):
    heard = []

    async def app(scope, receive, send):
        scope["scrapeguard"].refuse_ai()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(50):
            heard.append(1)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    sent = _exchange(ScrapeGuard(app, policy()), spec_version=spec_version)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 403
    assert len(heard) == rounds


def test_an_app_that_fails_before_it_answers_fails_as_ever(policy):
    async def app(scope, receive, send):
        scope["scrapeguard"].refuse_ai()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _exchange(ScrapeGuard(app, policy()))


def test_a_handshake_does_not_let_the_header_out(policy):
    async def app(scope, receive, send):
        await send({"type": "websocket.accept", "headers": [(b"X-Scrapeguard-Sharing", b"deny"), (b"a", b"b")]})

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "raw_path": b"/", "query_string": b"", "headers": [], "client": None}
    asyncio.run(ScrapeGuard(app, policy())(scope, None, send))
    assert sent == [{"type": "websocket.accept", "headers": [(b"a", b"b")]}]


# The list of paths.


async def _settled(count):
    for _ in range(200):
        if count():
            return
        await asyncio.sleep(0.01)


def test_named_paths_are_refused_announced_and_in_robots_txt(policy):
    named = ["/not_marked"]

    async def source():
        return list(named)

    async def ask_all():
        app = ScrapeGuard(site(), policy(), refused_paths=source, refused_paths_every=0.01)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:

            async def ask_it(path, agent):
                return await client.get(path, headers={"user-agent": agent})

            await ask_it("/", FIREFOX)
            await _settled(lambda: app.guard.refused_paths)
            assert (await ask_it("/not_marked", CLAUDE_USER)).status_code == 403
            page = await ask_it("/not_marked", FIREFOX)
            assert (page.status_code, page.headers["content-usage"]) == (200, "train-ai=n, ai-use=n")
            robots = (await ask_it("/robots.txt", GOOGLEBOT)).text
            assert "Disallow: /not_marked\n" in robots
            # Somebody changes their mind.
            named.clear()
            await _settled(lambda: not app.guard.refused_paths)
            assert (await ask_it("/not_marked", CLAUDE_USER)).status_code == 200
            assert "/not_marked" not in (await ask_it("/robots.txt", GOOGLEBOT)).text

    asyncio.run(ask_all())


@pytest.mark.parametrize(
    ("answer", "message"),
    [("/one", "returned one text"), (None, "not iterable")],
)
def test_a_source_that_is_mistaken_changes_nothing(answer, message, caplog):
    published = []

    async def source():
        return answer

    async def run():
        job = RefusedPathsJob(source, published.append, every=1)
        beside = Background([job])
        await beside.start_and_wait()
        await beside.stop()

    asyncio.run(run())
    assert published == []
    assert message in caplog.text
    assert "what was known stays" in caplog.text


def test_what_is_no_pattern_is_told_once_and_the_rest_counts(caplog):
    published = []

    async def source():
        return ["/a", "b", 5, "/c//d", "/" + "x" * 3000, "/e"]

    async def run():
        job = RefusedPathsJob(source, published.append, every=1)
        await job.run_once()
        await job.run_once()

    asyncio.run(run())
    (paths,) = published
    assert paths.patterns == ("/a", "/e")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "refused paths that are ignored: 4, such as 'b': begin it with /"


def test_there_is_a_most_of_paths(caplog):
    published = []

    async def source():
        return (f"/{number}$" for number in range(MAX_PATHS + 1))

    asyncio.run(RefusedPathsJob(source, published.append, every=1).run_once())
    assert len(published[0].patterns) == MAX_PATHS
    assert published[0].covers("/7")
    assert not published[0].covers(f"/{MAX_PATHS}")
    assert "more than 100000 refused paths" in caplog.text


def test_patterns_that_are_tried_one_by_one_are_few(caplog):
    published = []

    async def source():
        return [f"/*/by-{number}/" for number in range(MAX_WILDCARDS + 5)] + ["/@ada/*", "/@bob/*$"]

    asyncio.run(RefusedPathsJob(source, published.append, every=1).run_once())
    assert len(published[0].patterns) == MAX_WILDCARDS + 2
    assert "refused paths that are ignored: 5" in caplog.text


def test_a_name_is_no_wildcard():
    paths = RefusedPaths(["/@%2A/", "/@a%2Fb/"])
    assert paths.covers("/@*/x")
    assert not paths.covers("/@ada/")
    assert paths.covers("/@a/b/")


@pytest.mark.parametrize("source", [["/a"], 5])
def test_what_is_no_function_is_found_at_once(policy, source):
    with pytest.raises(TypeError, match="must be a coroutine function"):
        ScrapeGuard(site(), policy(), refused_paths=source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: ["/a"], "must be a coroutine function"),
        (lambda: asyncio.sleep(60), "TimeoutError"),
    ],
)
def test_a_source_that_cannot_be_waited_for_is_told(source, message, caplog, monkeypatch):
    monkeypatch.setattr(refusedpaths, "LIMIT", 0.01)

    async def run():
        beside = Background([RefusedPathsJob(source, print, every=1)])
        await beside.start_and_wait()
        await beside.stop()

    asyncio.run(run())
    assert message in caplog.text


def test_a_source_that_cancels_itself_is_asked_again(caplog):
    asked, published = [], []

    async def source():
        asked.append(1)
        if len(asked) == 1:
            raise asyncio.CancelledError
        return ["/a"]

    async def run():
        beside = Background([RefusedPathsJob(source, published.append, every=0.001)])
        beside.start()
        await _settled(lambda: published)
        await beside.stop()

    asyncio.run(run())
    assert published
    assert "cancelled itself" in caplog.text


def test_what_fails_again_and_again_is_told_once(caplog):
    rounds = []

    async def source():
        rounds.append(1)
        raise OSError("down")

    async def run():
        beside = Background([RefusedPathsJob(source, print, every=0.001)])
        beside.start()
        await _settled(lambda: len(rounds) > 3)
        await beside.stop()

    asyncio.run(run())
    assert caplog.text.count("Traceback") == 1


def test_work_begins_with_the_first_request_whatever_it_asks_for(policy):
    asked = []

    async def source():
        asked.append(1)
        return []

    async def run():
        app = ScrapeGuard(site(), policy(), refused_paths=source)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
            await client.get("/robots.txt")
        await _settled(lambda: asked)

    asyncio.run(run())
    assert asked


def test_without_asyncio_the_guard_decides_all_the_same(caplog):
    beside = Background([RefusedPathsJob(not_marked, print, every=1)])
    beside.start()
    beside.start()
    assert caplog.text.count("there is no asyncio event loop") == 1


def changing(policy, app, rounds):
    """An app whose refused paths change with each round, and what robots.txt said in each."""

    async def run():
        guarded = ScrapeGuard(app, policy())
        answers = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://h") as client:
            for number in range(rounds):
                guarded.guard.refused_paths = RefusedPaths([f"/@{number}/"])
                answers.append(await client.get("/robots.txt"))
        return guarded, answers

    return asyncio.run(run())


def test_a_change_of_mind_asks_the_app_for_nothing_and_keeps_nothing_of_before(policy):
    asked = []

    async def robots(request):
        asked.append(1)
        return PlainTextResponse("User-agent: *\nDisallow: /own\n", 503 if len(asked) > 1 else 200)

    _, answers = changing(policy, Starlette(routes=[Route("/robots.txt", robots)]), 5)
    assert asked == [1]
    assert all("Disallow: /own\n" in answer.text for answer in answers)
    assert [f"/@{number}/" in answer.text for number, answer in enumerate(answers)] == [True] * 5
    assert "/@3/" not in answers[4].text
    assert answers[0].headers["cache-control"] == "max-age=300"


def test_refused_paths_of_before_are_forgotten(policy):
    gone = []

    class Watched(RefusedPaths):
        def __del__(self):
            gone.append(1)

    async def run():
        guarded = ScrapeGuard(site(), policy())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://h") as client:
            for number in range(10):
                guarded.guard.refused_paths = Watched([f"/@{number}/"])
                await client.get("/robots.txt")

    asyncio.run(run())
    gc.collect()
    assert len(gone) >= 9


def test_what_authors_refuse_leaves_room_for_the_sites_own_rules(policy):
    own = "User-agent: Googlebot\nDisallow: /private/\n" + f"User-agent: *\nAllow: /{'x' * 400}\n" * 200
    app = Starlette(routes=[Route("/robots.txt", lambda request: PlainTextResponse(own))])

    async def run():
        guarded = ScrapeGuard(app, policy())
        guarded.guard.refused_paths = RefusedPaths(f"/@{number:05}/" for number in range(50_000))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://h") as client:
            return (await client.get("/robots.txt")).content

    text = asyncio.run(run())
    assert len(text) <= MAX_SIZE
    assert b"Disallow: /private/" in text
    assert b"/@00000/" in text


def test_headers_that_can_be_read_once_arrive(policy):
    async def app(scope, receive, send):
        headers = ((name, b"v") for name in (b"content-type", b"set-cookie", b"x-scrapeguard-sharing"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    start, _ = _exchange(ScrapeGuard(app, policy()))
    assert [name for name, _ in start["headers"]] == [b"content-type", b"set-cookie"]


def test_head_is_refused_without_a_body(policy):
    async def app(scope, receive, send):
        scope["scrapeguard"].refuse_ai()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    start, body = _exchange(ScrapeGuard(app, policy()), method="HEAD")
    assert (start["status"], body["body"]) == (403, b"")


def test_a_failure_of_the_apps_own_is_raised_after_a_refusal_too(policy):
    async def app(scope, receive, send):
        scope["scrapeguard"].refuse_ai()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _exchange(ScrapeGuard(app, policy()))


def test_an_app_that_gives_up_since_nobody_reads_has_not_failed(policy):
    async def stream(send):
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def app(scope, receive, send):
        scope["scrapeguard"].refuse_ai()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(stream(send))
        except* OSError as error:
            raise RuntimeError("gone") from error

    assert _exchange(ScrapeGuard(app, policy()), spec_version="2.10")[0]["status"] == 403


def test_a_page_whose_author_refuses_is_not_sent_to_a_licence_that_permits(policy):
    more = "sites: {h: {sharing: {paths: {/press/: deny}}}}\n"
    for path, linked in {"/not_marked": True, "/by_header": False}.items():
        assert ("link" in ask(ScrapeGuard(site(), policy(more)), path, FIREFOX).headers) is linked


def test_the_paths_are_known_when_the_app_has_started_and_nobody_is_asked_after_it_has_ended(policy):
    asked = []

    async def source():
        asked.append("started" in order)
        return ["/not_marked"]

    order = []

    async def app(scope, receive, send):
        assert (await receive())["type"] == "lifespan.startup"
        order.append("started")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        order.append(len(asyncio.all_tasks()))
        await send({"type": "lifespan.shutdown.complete"})

    async def run():
        guarded = ScrapeGuard(app, policy(), refused_paths=source)
        waiting = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        known = []

        async def receive():
            return waiting.pop(0)

        async def send(message):
            known.append((message["type"], bool(guarded.guard.refused_paths)))

        await guarded({"type": "lifespan"}, receive, send)
        return known

    assert asyncio.run(run())[0] == ("lifespan.startup.complete", True)
    assert asked == [True]
    assert order == ["started", 1]


def test_a_slow_source_does_not_keep_the_app_from_starting(monkeypatch, caplog):
    monkeypatch.setattr(background, "STARTUP_LIMIT", 0.01)

    async def source():
        await asyncio.Event().wait()

    async def run():
        beside = Background([RefusedPathsJob(source, lambda paths: None, every=1)])
        await beside.start_and_wait()
        await beside.stop()

    asyncio.run(run())
    assert "the app starts without it" in caplog.text


def test_every_round_waits_for_its_time():
    waits, rounds = [], []

    class Job:
        every = 7.0
        waits = False

        async def run_once(self):
            rounds.append(1)

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            await asyncio.Event().wait()

    async def run():
        beside = Background([Job()], sleep=sleep)
        beside.start()
        beside.start()
        await asyncio.sleep(0.01)
        await beside.stop()

    asyncio.run(run())
    assert (waits, len(rounds)) == ([7.0] * 3, 3)


def test_the_same_paths_are_published_once():
    published = []

    async def source():
        return ["/a", "/a"]

    async def run():
        job = RefusedPathsJob(source, published.append, every=1)
        for _ in range(3):
            await job.run_once()

    asyncio.run(run())
    assert [paths.patterns for paths in published] == [("/a",)]


def test_a_guard_knows_no_paths_at_first(default_policy):
    assert not Guard(default_policy).refused_paths
    assert not RefusedPaths().covers("/")
