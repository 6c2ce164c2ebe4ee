"""What does it cost a site to serve decoys, and does a tarpit slow it down?

How to read it: the first rows are CPU time of whole requests in one process, no server, as in `middleware`; the static
page is a route of Starlette that returns a text of the size of a decoy, and for comparison the same page as a file. No
decoy is asked for twice, and the addresses of the maze are known, as they are after the first hundreds. What the log
takes is the text, the hash and the fingerprints of a decoy; it is done in a thread beside the requests.

The last rows are the time that a reader waits for a page of the site under uvicorn (httptools, one worker, no access
log), over a kept-alive connection on the loopback interface. Two such servers run side by side, and in one of them
tarpits hold connections of real sockets, each of which gets a drop every two and a half seconds; the reader asks the
two in turn, a few requests each, and after half of the time they change their parts.
"""

from __future__ import annotations

import asyncio
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from bench.clients import GPTBOT, PAGE
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
_MOST_SLOWER = 1.1
_REQUESTS = 100
_ROUNDS = 40
_CONNECTIONS = 1_000
_READINGS = 10
_TURNS = 100
_SECRET = {"SCRAPEGUARD_SECRET": "a secret of the benchmark, long enough"}
_READER = {"User-Agent": "curl/8.11.0", "Accept": "*/*"}
_BOT = f"GET {PAGE} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in GPTBOT.items()) + "\r\n"

App = Callable[[Any, Any, Any], Awaitable[None]]


def run() -> list[Row]:
    return [*_cpu(), *_latency()]


def _cpu() -> list[Row]:
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
    policy = _policy(Action.DECOY, DecoyPolicy(serve=True))
    decoys = SiteDecoys(policy.decoys, {}, secret, clock=time.time, record=record)
    for _ in decoys.sample(PAGES):
        pass
    budget = Budget(cpu=1e9, rate=1e12, connections=1, per_client=1, now=0.0)
    decoying = Decoying(decoys, budget, monotonic=time.monotonic, cpu=time.thread_time)
    return ScrapeGuard(demo_site(), policy, decoying=decoying, record=None)


def _policy(action: Action, said: DecoyPolicy) -> Policy:
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


def _latency() -> list[Row]:
    _allow_files(4 * _CONNECTIONS)
    calm: list[float] = []
    dripping: list[float] = []
    with ExitStack() as stack:
        ports = [stack.enter_context(_server()) for _ in range(2)]
        for still, slow in (ports, ports[::-1]):
            with _held(slow) as sockets:
                _take_turns({still: calm, slow: dripping})
                _still_open(sockets)
    ratio = median(dripping) / median(calm)
    return [
        Row("A page of the site under uvicorn, median wait", micro(median(calm)), "", _slow(calm)),
        Row(
            f"... with {_CONNECTIONS:,} connections in a tarpit",
            micro(median(dripping)),
            f"<= {_MOST_SLOWER}x",
            f"{ratio:.2f}x; {_slow(dripping)}",
            ratio <= _MOST_SLOWER,
        ),
    ]


def _slow(waits: list[float]) -> str:
    return f"one in twenty over {micro(quantiles(waits, n=20)[-1])}"


def _take_turns(waits: dict[int, list[float]]) -> None:
    """Read pages of the servers in turn, and note how long each took."""
    connections = [(HTTPConnection("127.0.0.1", port), noted) for port, noted in waits.items()]
    for turn in range(_TURNS):
        for connection, noted in connections[:: 1 if turn % 2 else -1]:
            time.sleep(0.02)
            _read(connection)
            noted += [_read(connection) for _ in range(_READINGS)]
    for connection, _ in connections:
        connection.close()


def _read(connection: HTTPConnection) -> float:
    start = time.perf_counter()
    connection.request("GET", PAGE, headers=_READER)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise RuntimeError(f"{PAGE} answered {response.status}")
    return time.perf_counter() - start


@contextmanager
def _held(port: int) -> Iterator[list[socket.socket]]:
    """Connections, each with the beginning of an answer that is still dripping."""
    with ExitStack() as stack:
        sockets = []
        for _ in range(_CONNECTIONS):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            held.sendall(_BOT.encode())
            sockets.append(held)
        for held in sockets:
            begun = held.recv(64)
            if not begun.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"a tarpit answered {begun!r}")
        yield sockets


def _still_open(sockets: Sequence[socket.socket]) -> None:
    """See that no answer has ended yet: all that came by now is read, and none ends as chunked answers do."""
    with selectors.DefaultSelector() as ready:
        for held in sockets:
            held.setblocking(False)
            ready.register(held, selectors.EVENT_READ)
        for key, _ in ready.select(0):
            if _has_ended(key.fileobj):
                raise RuntimeError("a tarpit let go while it was measured")


def _has_ended(held: Any) -> bool:
    """Whether an answer has come to its end."""
    octets = b""
    try:
        while part := held.recv(65_536):
            octets += part
    except BlockingIOError:
        return octets.endswith(b"\r\n0\r\n\r\n")
    return True


def _allow_files(wanted: int) -> None:
    """Let this process and those that it starts open so many files, if that may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


@contextmanager
def _server() -> Iterator[int]:
    """A server in a process of its own, which says on its first line on which port."""
    command = [sys.executable, "-m", "bench.decoys.serving"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else "")
        finally:
            process.terminate()


def _serve() -> None:
    import uvicorn

    said = DecoyPolicy(serve=True, tarpit=True, cpu=100, connections=2 * _CONNECTIONS, per_client=2 * _CONNECTIONS)
    policy = _policy(Action.TARPIT, said)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_CONNECTIONS)
    print(listener.getsockname()[1], flush=True)
    guarded = ScrapeGuard(demo_site(), policy)
    config = uvicorn.Config(guarded, http="httptools", access_log=False, log_level="error", proxy_headers=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    _serve()
