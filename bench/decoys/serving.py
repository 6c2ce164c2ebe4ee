"""What does a decoy cost, beside a static page of Starlette?

How to read it: CPU time of whole requests in one process, no server, as in `middleware`; the static page is a route
that returns a text of the size of a decoy, and for comparison the same page as a file. No decoy is asked for twice,
and the addresses of the maze are known, as they are after the first hundreds. What the log takes is the text, the
hash and the fingerprints of a decoy; it is done in a thread beside the requests.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from bench.clients import GPTBOT
from bench.report import Row, micro
from bench.timing import Run, Task, fastest
from scrapeguard import ScrapeGuard
from scrapeguard.asgi.decoying import Decoying
from scrapeguard.cli.demo_site import demo_site
from scrapeguard.core.budget import Budget
from scrapeguard.core.decision import Action
from scrapeguard.core.policy import DecoyPolicy, EventPolicy, Policy, VerificationPolicy
from scrapeguard.deceit import SiteDecoys
from scrapeguard.decoys.maze import PAGES
from scrapeguard.decoys.site import DecoySite
from scrapeguard.rulefile.load import load_policy
from scrapeguard.secret import SiteSecret, site_secret
from scrapeguard.telemetry.provenance import Served

_MOST_RATIO = 15.0
_REQUESTS = 100
_ROUNDS = 40
_SECRET = {"SCRAPEGUARD_SECRET": "a secret of the benchmark, long enough"}

App = Callable[[Any, Any, Any], Awaitable[None]]


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        seconds = fastest(_tasks(Path(folder)), _ROUNDS)
    bare, decoy = seconds["bare"], seconds["decoy"]
    return [
        Row("Bare Starlette, static page of the same size", micro(bare)),
        Row("Bare Starlette, the same page as a file", micro(seconds["file"]), "", _of(seconds["file"], bare)),
        Row("Decoy request", micro(decoy), f"<= {_MOST_RATIO:.0f}x", _of(decoy, bare), decoy <= _MOST_RATIO * bare),
        Row("... with what the log takes of it", micro(seconds["logged"]), "", _of(seconds["logged"], bare)),
    ]


def _of(seconds: float, bare: float) -> str:
    return f"{seconds / bare:.1f}x bare"


def _tasks(folder: Path) -> dict[str, Task]:
    secret = site_secret(None, _SECRET)
    paths = _maze_of(secret)
    body = "x" * 5_000
    (folder / "page.html").write_text(body, encoding="utf-8")

    async def page(_: Request) -> Response:
        return HTMLResponse(body)

    bare = Starlette(routes=[Route("/page", page)])
    files = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
    return {
        "bare": _requests(bare, cycle(["/page"])),
        "file": _requests(files, cycle(["/page.html"])),
        "decoy": _requests(_guarded(secret, None), iter(paths)),
        "logged": _requests(_guarded(secret, Served.entry), iter(paths)),
    }


def _maze_of(secret: SiteSecret) -> list[str]:
    maze = DecoySite(secret.octets, DecoyPolicy().host).maze
    return [maze.link(number).path for number in range(PAGES)]


def _guarded(secret: SiteSecret, record: Callable[[Served], object] | None) -> App:
    """A site that answers GPTBot with decoys, however many."""
    lying = policy_of(Action.DECOY, DecoyPolicy(serve=True))
    decoys = SiteDecoys(lying.decoys, {}, secret, clock=time.time, record=record)
    for _ in decoys.sample(PAGES):
        pass
    budget = Budget(cpu=1e9, rate=1e12, connections=1, per_client=1, now=0.0)
    decoying = Decoying(decoys, budget, monotonic=time.monotonic, cpu=time.thread_time)
    return ScrapeGuard(demo_site(), lying, decoying=decoying, record=None)


def policy_of(action: Action, said: DecoyPolicy) -> Policy:
    """The default policy, but for what GPTBot gets, with nothing that asks or writes."""
    default = load_policy()
    site = replace(default.common, by_name={"GPTBot": action})
    quiet = VerificationPolicy(dns=False, refresh=False)
    return Policy(site, default.catalogue, decoys=said, events=EventPolicy("off"), verification=quiet)


def _requests(app: App, paths: Iterator[str]) -> Task:
    return lambda: nullcontext(_run(app, [_scope(path) for path in islice(paths, _REQUESTS)]))


def _run(app: App, scopes: Sequence[dict[str, Any]]) -> Run:
    async def request_all() -> int:
        for scope in scopes:
            await app(scope, _nothing, _expect)
        return len(scopes)

    return lambda: asyncio.run(request_all())


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("203.0.113.9", 40_000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in GPTBOT.items()],
        "state": {},
    }


async def _nothing() -> dict[str, Any]:
    """The client says nothing more, and stays."""
    await asyncio.Future()
    return {}


async def _expect(message: dict[str, Any]) -> None:
    """A send that costs nothing, and takes no refusal for a page."""
    if message.get("status", 200) != 200:
        raise RuntimeError(f"answered {message['status']}")
