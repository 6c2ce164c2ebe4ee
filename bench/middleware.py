"""What does the guard add to a request, and what does a refusal cost, beside a plain page of Starlette?

The guard has all of it on: user agents, identities, headers, history, ledger and announcements. The clients of a row
are fifty readers that have fetched the style sheet and open a page every twenty seconds or so, by a clock put forward;
those of `strangers` have never come before, one for each request, which is the worst case. How to read it: CPU time of
whole requests in one process, no server. `Bare` is the demo site's article without any guard; the ratios are to that.
The event log hands its lines to a writer that drops them. `With event log` is the default one, which writes 500 lines a
second and counts the rest, as in a flood. `Every line written` is what a refusal costs below that rate, in the thread
of the log for the most part; there is no target for it, since 500 a second bound it.

is-crawler's middleware refuses what it knows to serve AI. fastapi-guard runs with its defaults but for Redis, which is
off, and GPTBot as the one User-Agent refused; it does much else besides, above all it searches every header for
attacks, so it runs once more without that search. Its log lines go to a stream that drops them.
"""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import replace
from functools import partial
from itertools import accumulate, count, cycle
from typing import Any

from guard import SecurityConfig, SecurityMiddleware
from is_crawler.contrib import ASGICrawlerMiddleware

from bench.classify import AI_TAGS
from bench.clients import CHROME, GPTBOT, PAGE
from bench.report import Row, micro
from bench.timing import Run, Task, fastest
from scrapeguard import Decision, Guard, Request, ScrapeGuard
from scrapeguard.asgi.announcing import Announcements
from scrapeguard.asgi.outgoing import Additions, announcing
from scrapeguard.cli.demo_site import demo_site
from scrapeguard.core.clients import ClientKey
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.policy import OptOut, Policy
from scrapeguard.core.sharing import AI_USES, PathSharing, RefusedPaths, Use
from scrapeguard.rulefile.load import load_policy
from scrapeguard.telemetry.events import EventLog

MOST_RATIO = 0.5
_MOST_SAYING = 0.15
_MOST_WITH_ALL = 0.8
_MOST_GROWTH = 1.3
_PATHS = 1_000
_AUTHORS = 100_000
_CROWD = 1_000_000
_REQUESTS = 1_000
_FEW = 50
_VERY_FEW = 1
_FLOOD = 10_000
_IN_WRITING = "every line written"
_ROUNDS = 20
_READERS = 50
_PAGES_OF_ONE = 10
_PAUSE = 20.0
_address = count(10 << 24)

App = Callable[[Any, Any, Any], Awaitable[None]]


def run() -> list[Row]:
    seconds = fastest(_tasks(), _ROUNDS)
    rows = [Row(f"Bare Starlette, page to {who}", micro(seconds[f"bare {who}"])) for who in ("Chrome", "GPTBot")]
    for name in ("scrapeguard", "is-crawler", "fastapi-guard (no search)", "fastapi-guard"):
        rows += [_added(seconds, name), *_refusals(seconds, name)]
    saying = max(seconds["scrapeguard Chrome"] - seconds["silent Chrome"], 0.0)
    share = saying / seconds["bare Chrome"]
    question = "opt-out headers, with them and without them"
    rows.append(Row(question, micro(saying), f"<= {_MOST_SAYING}x", _of_bare(share), share <= _MOST_SAYING))
    way = seconds["saying Chrome"] - seconds["bare Chrome"]
    question = "the whole way of a response: headers, marks of the app, styles"
    rows.append(Row(question, micro(way), "", _of_bare(way / seconds["bare Chrome"])))
    strange = seconds["strangers Chrome"] - seconds["bare Chrome"]
    rows.append(Row("added to a page for strangers", micro(strange), "", _of_bare(strange / seconds["bare Chrome"])))
    crowded = seconds["crowded Chrome"] - seconds["bare Chrome"]
    growth = crowded / strange
    question = f"added to a page for strangers after {_CROWD:,} clients"
    rows.append(Row(question, micro(crowded), f"<= {_MOST_GROWTH}x", f"{growth:.2f}x", growth <= _MOST_GROWTH))
    by_path = seconds["paths Chrome"] / seconds["bare Chrome"] - 1
    question = f"{_PATHS:,} paths shared apart, {_AUTHORS:,} refused by authors: added"
    rows.append(Row(question, micro(seconds["paths Chrome"] - seconds["bare Chrome"]), "", _of_bare(by_path)))
    robots = seconds["robots.txt"]
    return [*rows, Row("scrapeguard, /robots.txt", micro(robots), "", _of_bare(robots / seconds["bare GPTBot"]))]


def _tasks() -> dict[str, Task]:
    policy = load_policy()
    bare, quiet = demo_site(), ScrapeGuard(demo_site(), policy, record=None)
    by_path = ScrapeGuard(demo_site(), _with(policy, paths=_paths()), record=None)
    by_path.guard.refused_paths = RefusedPaths(f"/@{number}/" for number in range(_AUTHORS))
    peers: dict[str, tuple[App, int]] = {
        "is-crawler": (ASGICrawlerMiddleware(demo_site(), block=True, block_tags=AI_TAGS), _REQUESTS),
        "fastapi-guard": (_fastapi_guard(search=True), _VERY_FEW),
        "fastapi-guard (no search)": (_fastapi_guard(search=False), _FEW),
    }
    tasks: dict[str, Task] = {
        "bare Chrome": _requests(bare, CHROME, 200),
        "bare GPTBot": _requests(bare, GPTBOT, 200),
        "scrapeguard Chrome": _requests(quiet, CHROME, 200, readers=_READERS),
        "strangers Chrome": _requests(ScrapeGuard(demo_site(), policy, record=None), CHROME, 200),
        "crowded Chrome": _requests(_crowded(policy), CHROME, 200),
        "silent Chrome": _requests(_silent(policy), CHROME, 200, readers=_READERS),
        "saying Chrome": _requests(_saying(policy), CHROME, 200),
        "paths Chrome": _requests(by_path, CHROME, 200, readers=_READERS),
        "scrapeguard GPTBot": _requests(quiet, GPTBOT, 403),
        "scrapeguard GPTBot with event log": partial(_logged_refusals, policy, _FLOOD, all_written=False),
        f"scrapeguard GPTBot, {_IN_WRITING}": partial(_logged_refusals, policy, _REQUESTS, all_written=True),
        "robots.txt": _requests(quiet, GPTBOT, 200, path="/robots.txt"),
    }
    for name, (app, number) in peers.items():
        tasks[f"{name} Chrome"] = _requests(app, CHROME, 200, number=number)
        tasks[f"{name} GPTBot"] = _requests(app, GPTBOT, 403, number=number)
    return tasks


def _silent(policy: Policy) -> App:
    """The guard without a word to say."""
    nothing = OptOut(content_usage=False, content_signal=False, tdm=False, noai=False, rsl=False)
    return ScrapeGuard(demo_site(), _with(policy, opt_out=nothing), record=None)


def _saying(policy: Policy) -> App:
    """The demo site with what is announced and nothing else of the guard."""
    site, guard = demo_site(), Guard(policy)
    additions = Additions(Announcements(guard), _nobody_refused)
    request = Request(host="h.example")
    decision = guard.assess(request)

    async def saying(scope: Any, receive: Any, send: Any) -> None:
        scope["scrapeguard"] = decision
        await site(scope, receive, announcing(additions, request, scope, send))

    return saying


def _crowded(policy: Policy) -> App:
    """The guard when very many clients have come by."""
    guarded = ScrapeGuard(demo_site(), policy, record=None)
    asked = Request.of("/", headers=CHROME)
    behaviour = guarded.guard.behaviour
    if behaviour is not None:
        for number in range(_CROWD):
            client = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            key = ClientKey.of(asked, client, asked.sent[b"accept-language"])
            behaviour.history.note(asked, behaviour.history.conduct(key, 0.0), 0.0)
    return guarded


def _nobody_refused(request: Request, decision: Decision) -> None:
    """No author refuses anything."""


def _with(policy: Policy, **more: Any) -> Policy:
    return Policy(replace(policy.common, **more), policy.catalogue)


def _paths() -> tuple[PathSharing, ...]:
    closed = {**dict.fromkeys(AI_USES, False), Use.SEARCH: True}
    return tuple(PathSharing(PathPattern(f"/section-{number}/"), closed) for number in range(_PATHS))


def _requests(
    app: App, headers: Mapping[str, str], status: int, path: str = PAGE, number: int = _REQUESTS, readers: int = 0
) -> Task:
    """A task of many requests to the app, which must answer with that status.

    With readers, that many clients come again and again, who have the style sheet; else each request is of a new one.
    """
    scope = _scope(headers, path)
    answered = asyncio.run(_status(app, scope))
    if answered != status:
        raise RuntimeError(f"{app} answered {answered}, not {status}")
    if not readers:
        return lambda: nullcontext(_run(app, [scope], [_client() for _ in range(number)]))
    if isinstance(app, ScrapeGuard):
        app.guard.monotonic = _clock(_PAUSE / readers)
    clients = [_client() for _ in range(readers)]
    clicked = _scope({**headers, "sec-fetch-site": "same-origin", "referer": "http://127.0.0.1:8000/"}, path)
    pages = [{**clicked, "query_string": b"part=%d" % part} for part in range(_PAGES_OF_ONE) for _ in clients]
    _run(app, [_scope(headers, "/style.css")], clients)()
    return lambda: nullcontext(_run(app, pages, clients * (number // readers)))


@contextmanager
def _logged_refusals(policy: Policy, number: int, *, all_written: bool) -> Iterator[Run]:
    """Refusals with the event log as it comes, but for where it writes to; with the last line written, or not."""
    log = EventLog(_drop)
    refuse = _run(
        ScrapeGuard(demo_site(), policy, record=log.record), [_scope(GPTBOT, PAGE)], [_client() for _ in range(number)]
    )

    def refuse_and_write() -> int:
        requests = refuse()
        log.close()
        return requests

    yield refuse_and_write if all_written else refuse
    log.close()


def _drop(lines: str) -> None:
    """Write nowhere."""


def _fastapi_guard(*, search: bool) -> App:
    app = demo_site()
    config = SecurityConfig(enable_redis=False, blocked_user_agents=["GPTBot"], enable_penetration_detection=search)
    app.add_middleware(SecurityMiddleware, config=config)
    # The first request starts it, with a log to what is then stderr.
    with redirect_stderr(_Nowhere()):
        asyncio.run(_status(app, _scope(CHROME, "/")))
    return app


class _Nowhere(io.StringIO):
    def write(self, text: str, /) -> int:
        return len(text)


def _scope(headers: Mapping[str, str], path: str) -> dict[str, Any]:
    """The scope of a request as uvicorn makes it; the client is filled in for each one."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


def _clock(pause: float) -> Callable[[], float]:
    """A clock that goes on by so many seconds with each look, on average; never twice the same, as with people."""
    dice = random.Random(1)
    steps = [dice.expovariate(1.0) ** 3 / 6.0 * pause for _ in range(9973)]
    return accumulate(cycle(steps)).__next__


def _run(app: App, scopes: Sequence[dict[str, Any]], clients: Sequence[tuple[str, int]]) -> Run:
    """Each of the clients asks once; the scopes are for one after the other, again and again."""

    async def request_all() -> int:
        for client, scope in zip(clients, cycle(scopes), strict=False):
            await app({**scope, "client": client, "state": {}}, _Receive(), _ignore)
        return len(clients)

    return lambda: asyncio.run(request_all())


async def _status(app: App, scope: dict[str, Any]) -> int:
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app({**scope, "client": _client(), "state": {}}, _Receive(), send)
    return int(messages[0]["status"])


def _client() -> tuple[str, int]:
    number = next(_address)
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)), 40_000


class _Receive:
    """An empty body, and then a client that stays connected."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked = False

    async def __call__(self) -> dict[str, Any]:
        if self._asked:
            await asyncio.Future()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore(message: dict[str, Any]) -> None:
    """A send that costs nothing."""


def _added(seconds: dict[str, float], name: str) -> Row:
    bare, guarded = seconds["bare Chrome"], seconds[f"{name} Chrome"]
    ratio = guarded / bare - 1
    ours = name == "scrapeguard"
    return Row(
        f"{name}, added to a page for Chrome",
        micro(guarded - bare),
        f"<= {_MOST_WITH_ALL}x" if ours else "",
        _of_bare(ratio),
        ratio <= _MOST_WITH_ALL if ours else None,
    )


def _refusals(seconds: dict[str, float], name: str) -> list[Row]:
    ours = name == "scrapeguard"
    rows = []
    for task in (task for task in seconds if task.startswith(f"{name} GPTBot")):
        ratio = seconds[task] / seconds["bare GPTBot"]
        aimed = ours and not task.endswith(_IN_WRITING)
        target, met = (f"<= {MOST_RATIO}x", ratio <= MOST_RATIO) if aimed else ("", None)
        question = f"{name}, 403 for {task.removeprefix(name).strip()}"
        rows.append(Row(question, micro(seconds[task]), target, _of_bare(ratio), met))
    return rows


def _of_bare(ratio: float) -> str:
    return f"{ratio:,.{2 if ratio < 10 else 0}f}x bare"
