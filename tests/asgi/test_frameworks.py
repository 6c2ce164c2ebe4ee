import asyncio
from contextlib import asynccontextmanager

import fastapi
import flask
import httpx
import litestar
import pytest
import quart
from a2wsgi import WSGIMiddleware
from django import urls
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from litestar.response import Stream
from starlette import responses, routing
from starlette.applications import Starlette
from starlette.middleware import Middleware

from scrapeguard import ScrapeGuard, load_policy

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# What Firefox sends beside its name when a person opens a page.
OPENED = {
    "accept-language": "en",
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
GPTBOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"

POLICY = load_policy()
CHUNKS = [b"one ", b"two ", b"three"]


class BoomError(Exception):
    pass


class Witness:
    """Stands between guard and app, and writes down what comes through."""

    def __init__(self, app, seen):
        self.app = app
        self.seen = seen

    async def __call__(self, scope, receive, send):
        self.seen.append(scope.get("path", scope["type"]))
        await self.app(scope, receive, send)


class Site:
    """A guarded app, what came through to it, the chunks last sent, the events, and the phases of its life."""

    def __init__(self, build):
        self.seen, self.chunks, self.events, self.phases = [], [], [], []
        self.options = {"rules": POLICY, "record": self.events.append}
        self.app = build(self)

    def guard(self, app):
        return ScrapeGuard(Witness(app, self.seen), **self.options)

    @asynccontextmanager
    async def lifespan(self, app):
        self.phases.append("startup")
        yield
        self.phases.append("shutdown")

    def ask(self, path="/", *, agent=BROWSER, method="GET", headers=(), **options):
        async def ask():
            transport = httpx.ASGITransport(self.overheard)
            async with httpx.AsyncClient(transport=transport, base_url="http://site.test") as client:
                sent = {"user-agent": agent, **(OPENED if agent == BROWSER else {}), **dict(headers)}
                return await client.request(method, path, headers=sent, **options)

        self.chunks.clear()
        return asyncio.run(ask())

    async def overheard(self, scope, receive, send):
        async def overhear(message):
            if message.get("body"):
                self.chunks.append(message["body"])
            await send(message)

        await self.app(scope, receive, overhear)


def verdict(scope):
    decision = scope["scrapeguard"]
    return {"action": str(decision.action), "purpose": str(decision.agent.purpose)}


async def chunks():
    for chunk in CHUNKS:
        yield chunk


def build_starlette(site):
    async def home(request):
        return responses.HTMLResponse("hello")

    async def stream(request):
        return responses.StreamingResponse(chunks())

    async def decision(request):
        return responses.JSONResponse(verdict(request.scope))

    async def echo(request):
        return responses.Response(await request.body())

    async def boom(request):
        raise BoomError

    return Starlette(
        routes=[
            routing.Route("/", home),
            routing.Route("/stream", stream),
            routing.Route("/decision", decision),
            routing.Route("/echo", echo, methods=["POST"]),
            routing.Route("/boom", boom),
        ],
        middleware=[Middleware(ScrapeGuard, **site.options), Middleware(Witness, seen=site.seen)],
        lifespan=site.lifespan,
    )


def build_fastapi(site):
    app = fastapi.FastAPI(lifespan=site.lifespan)
    app.add_middleware(Witness, seen=site.seen)
    app.add_middleware(ScrapeGuard, **site.options)

    @app.get("/")
    def home():
        return responses.HTMLResponse("hello")

    @app.get("/stream")
    def stream():
        return responses.StreamingResponse(chunks())

    @app.get("/decision")
    def decision(request: fastapi.Request):
        return verdict(request.scope)

    @app.post("/echo")
    async def echo(request: fastapi.Request):
        return responses.Response(await request.body())

    @app.get("/boom")
    def boom():
        raise BoomError

    return app


def build_litestar(site):
    @litestar.get("/", media_type=litestar.MediaType.HTML, sync_to_thread=False)
    def home() -> str:
        return "hello"

    @litestar.get("/stream", sync_to_thread=False)
    def stream() -> Stream:
        return Stream(chunks())

    @litestar.get("/decision", sync_to_thread=False)
    def decision(request: litestar.Request) -> dict:
        return verdict(request.scope)

    @litestar.post("/echo", status_code=200)
    async def echo(request: litestar.Request) -> bytes:
        return await request.body()

    @litestar.get("/boom", sync_to_thread=False)
    def boom() -> None:
        raise BoomError

    def reraise(_, error):
        raise error

    return site.guard(
        litestar.Litestar(
            [home, stream, decision, echo, boom], lifespan=[site.lifespan], exception_handlers={BoomError: reraise}
        )
    )


def build_quart(site):
    app = quart.Quart(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.asgi_app = site.guard(app.asgi_app)

    @app.get("/")
    async def home():
        return "hello"

    @app.get("/stream")
    async def stream():
        return chunks()

    @app.get("/decision")
    async def decision():
        return verdict(quart.request.scope)

    @app.post("/echo")
    async def echo():
        return await quart.request.get_data()

    @app.get("/boom")
    async def boom():
        raise BoomError

    @app.while_serving
    async def lifespan():
        async with site.lifespan(app):
            yield

    return app


def build_django(site):
    return site.guard(get_asgi_application())


async def django_home(request):
    return HttpResponse("hello")


async def django_stream(request):
    return StreamingHttpResponse(chunks())


async def django_decision(request):
    return JsonResponse(verdict(request.scope))


async def django_echo(request):
    return HttpResponse(request.body)


async def django_boom(request):
    request.close()  # Django leaves the body open when an error passes through it
    raise BoomError


settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG_PROPAGATE_EXCEPTIONS=True,
    LOGGING_CONFIG=None,
    ROOT_URLCONF=(
        urls.path("", django_home),
        urls.path("stream", django_stream),
        urls.path("decision", django_decision),
        urls.path("echo", django_echo),
        urls.path("boom", django_boom),
    ),
    SECRET_KEY="none",
)


def build_flask(site):
    app = flask.Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/")
    def home():
        return "hello"

    @app.get("/stream")
    def stream():
        return iter(CHUNKS)

    @app.get("/decision")
    def decision():
        return verdict(flask.request.environ["asgi.scope"])

    @app.post("/echo")
    def echo():
        return flask.request.get_data()

    @app.get("/boom")
    def boom():
        raise BoomError

    return site.guard(WSGIMiddleware(app))


FRAMEWORKS = {
    "starlette": build_starlette,
    "fastapi": build_fastapi,
    "litestar": build_litestar,
    "quart": build_quart,
    "django": build_django,
    "flask": build_flask,
}


@pytest.fixture(params=FRAMEWORKS)
def site(request):
    return Site(FRAMEWORKS[request.param])


# What passes


@pytest.mark.parametrize("agent", [BROWSER, GOOGLEBOT], ids=["browser", "googlebot"])
def test_browsers_and_search_engines_get_the_page_and_make_no_event(site, agent):
    answer = site.ask(agent=agent)
    assert (answer.status_code, answer.text) == (200, "hello")
    assert answer.headers["content-type"].startswith("text/html")
    assert site.seen == ["/"]
    assert site.events == []


@pytest.mark.parametrize(
    ("agent", "purpose"), [(BROWSER, "browser"), (GOOGLEBOT, "search-engine")], ids=["browser", "googlebot"]
)
def test_the_app_finds_the_decision_in_the_scope(site, agent, purpose):
    assert site.ask("/decision", agent=agent).json() == {"action": "allow", "purpose": purpose}


def test_a_request_body_reaches_the_app_whole(site):
    body = b"0123456789" * 10_000
    answer = site.ask("/echo", method="POST", content=body)
    assert (answer.status_code, answer.content) == (200, body)


def test_a_streamed_body_passes_chunk_by_chunk(site):
    assert site.ask("/stream").status_code == 200
    assert site.chunks == CHUNKS


def test_an_error_of_the_app_reaches_the_server(site):
    with pytest.raises(BoomError):
        site.ask("/boom")
    assert site.seen == ["/boom"]


# What is refused


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/nowhere"), ("POST", "/echo"), ("HEAD", "/boom")])
def test_an_ai_crawler_is_refused_before_the_app_hears_of_it(site, method, path):
    answer = site.ask(path, agent=GPTBOT, method=method)
    assert answer.status_code == 403
    assert answer.headers["cache-control"] == "private, no-store"
    assert {field.strip().lower() for field in answer.headers["vary"].split(",")} == {"user-agent", "accept"}
    assert site.seen == []


def test_a_refusal_is_one_event_with_the_reference_of_the_answer(site):
    answer = site.ask(agent=GPTBOT)
    [event] = site.events
    assert event.reference == answer.headers["x-scrapeguard-reference"]
    assert event.decision.agent.name == "GPTBot"


# robots.txt


@pytest.mark.parametrize("agent", [BROWSER, GPTBOT], ids=["browser", "gptbot"])
def test_robots_txt_is_answered_to_everybody(site, agent):
    answer = site.ask("/robots.txt", agent=agent)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert {"User-agent: GPTBot", "Disallow: /"} <= set(answer.text.splitlines())
    assert site.seen == ["/robots.txt"]  # for its own, to merge with


def test_head_of_robots_txt_has_the_fields_of_get_and_no_body(site):
    full, head = (site.ask("/robots.txt", agent=GPTBOT, method=method) for method in ("GET", "HEAD"))
    assert (head.status_code, head.headers) == (200, full.headers)
    assert site.chunks == []  # the client would not show a body


def test_a_robots_txt_that_is_known_is_not_sent_again(site):
    etag = site.ask("/robots.txt", agent=GPTBOT).headers["etag"]
    answer = site.ask("/robots.txt", agent=GPTBOT, headers={"if-none-match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


# Lifespan


@pytest.mark.parametrize("name", ["starlette", "fastapi", "litestar", "quart"])
def test_startup_and_shutdown_run_the_lifespan_of_the_app(name):
    site = Site(FRAMEWORKS[name])
    assert asyncio.run(live(site)) == [
        ("lifespan.startup.complete", ["startup"]),
        ("lifespan.shutdown.complete", ["startup", "shutdown"]),
    ]


async def live(site):
    """Each answer to the lifespan protocol, and the phases the app has gone through by then."""
    to_app, from_app = asyncio.Queue(), asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    running = asyncio.create_task(site.app(scope, to_app.get, from_app.put))
    heard = []
    for phase in ("startup", "shutdown"):
        await to_app.put({"type": f"lifespan.{phase}"})
        answer = await asyncio.wait_for(from_app.get(), 5)
        heard.append((answer["type"], list(site.phases)))
    await asyncio.wait_for(running, 5)
    return heard


def test_an_app_that_knows_no_lifespan_says_so_to_the_server():
    with pytest.raises(ValueError, match="lifespan"):
        asyncio.run(live_briefly(Site(build_django)))


async def live_briefly(site):
    await site.app({"type": "lifespan"}, asyncio.Queue().get, asyncio.Queue().put)
