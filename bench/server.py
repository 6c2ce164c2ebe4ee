"""What does the guard cost under a real server?

How to read it: CPU time that a uvicorn process (httptools, one worker, no access log) spends on a request that comes
over the loopback interface on a kept-alive connection. One process serves the demo site on two ports, on one of them
behind the guard, and tells its own CPU time. System calls make these times scatter far more than the guard costs, so
bare and guarded take turns every few requests, and the median of the differences counts. The event log is the default
one, to stderr, which is /dev/null. There are no targets: nearly all the time is the server's own, for parsing, writing
and system calls, and a 403 saves none of it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from statistics import median, quantiles

from bench.clients import CHROME, GPTBOT, PAGE
from bench.report import Row, micro
from bench.timing import taking_turns

_CPU_TIME = "/cpu-time"
_REQUESTS = 20
_ROUNDS = 500


def run() -> list[Row]:
    with _server() as ports:
        bare, guarded = (HTTPConnection("127.0.0.1", port) for port in ports)
        _get(guarded, "/style.css", CHROME, 200)
        reader = {**CHROME, "sec-fetch-site": "same-origin", "referer": f"http://127.0.0.1:{ports[1]}/"}
        measures = {
            "bare": partial(_seconds_per_request, bare, reader, 200),
            "allowed": partial(_seconds_per_request, guarded, reader, 200),
            "bare bot": partial(_seconds_per_request, bare, GPTBOT, 200),
            "refused": partial(_seconds_per_request, guarded, GPTBOT, 403),
        }
        seconds = taking_turns(measures, _ROUNDS)
    return [
        Row("Bare Starlette under uvicorn, page to Chrome", micro(median(seconds["bare"]))),
        Row("Bare Starlette under uvicorn, page to GPTBot", micro(median(seconds["bare bot"]))),
        _row("scrapeguard under uvicorn, added to a page for Chrome", seconds["bare"], seconds["allowed"]),
        _row("scrapeguard under uvicorn, 403 for GPTBot against the page", seconds["bare bot"], seconds["refused"]),
    ]


def _row(question: str, bare: list[float], guarded: list[float]) -> Row:
    added = [after - before for before, after in zip(bare, guarded, strict=True)]
    low, middle, high = quantiles(added, n=4)
    spread = f"half of the rounds {low * 1e6:+.0f} to {high * 1e6:+.0f} µs"
    return Row(question, f"{middle * 1e6:+.1f} µs", measure=f"{middle / median(bare):+.2f}x bare; {spread}")


def _seconds_per_request(connection: HTTPConnection, headers: Mapping[str, str], status: int) -> float:
    """CPU time of the server for one request, of many; each must be answered with that status."""
    before = float(_get(connection, _CPU_TIME, headers, 200))
    for _ in range(_REQUESTS):
        _get(connection, PAGE, headers, status)
    return (float(_get(connection, _CPU_TIME, headers, 200)) - before) / (_REQUESTS + 1)


def _get(connection: HTTPConnection, path: str, headers: Mapping[str, str], status: int) -> bytes:
    connection.request("GET", path, headers=dict(headers))
    response = connection.getresponse()
    body = response.read()
    if response.status != status:
        raise RuntimeError(f"{path} answered {response.status}, not {status}")
    return body


@contextmanager
def _server() -> Iterator[list[int]]:
    """The server in a process of its own, which says on its first line on which ports: bare, then guarded."""
    command = [sys.executable, "-m", "bench.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield [int(port) for port in line.split()]
        finally:
            process.terminate()


def _serve() -> None:
    import uvicorn
    from starlette.responses import PlainTextResponse

    from scrapeguard import ScrapeGuard
    from scrapeguard.asgi.types import Receive, Scope, Send
    from scrapeguard.cli.demo_site import demo_site

    listeners = [_listener(), _listener()]
    ports = [listener.getsockname()[1] for listener in listeners]
    apps = dict(zip(ports, (demo_site(), ScrapeGuard(demo_site())), strict=True))

    async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == _CPU_TIME:
            await PlainTextResponse(str(time.process_time()))(scope, receive, send)
        else:
            await apps[scope["server"][1]](scope, receive, send)

    print(*ports, flush=True)
    config = uvicorn.Config(by_port, http="httptools", lifespan="off", access_log=False, log_level="error")
    uvicorn.Server(config).run(sockets=listeners)


def _listener() -> socket.socket:
    """A socket with its protocol named, or asyncio leaves Nagle's algorithm on and every answer waits for 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


if __name__ == "__main__":
    _serve()
