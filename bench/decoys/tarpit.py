"""Does a tarpit slow the site down?

How to read it: the time that a reader waits for a page of the site under uvicorn (httptools, one worker, no access
log), over a kept-alive connection on the loopback interface. Two such servers run side by side, and in one of them
tarpits hold connections of real sockets, each of which gets a drop every two and a half seconds; the reader asks the
two in turn, a few requests each, and after half of the time they change their parts.
"""

from __future__ import annotations

import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from statistics import median, quantiles
from typing import Any

from bench.clients import GPTBOT, PAGE
from bench.decoys.serving import policy_of
from bench.report import Row, micro
from scrapeguard import ScrapeGuard
from scrapeguard.cli.demo_site import demo_site
from scrapeguard.core.decision import Action
from scrapeguard.core.policy import DecoyPolicy

_MOST_SLOWER = 1.1
_CONNECTIONS = 1_000
_READINGS = 10
_TURNS = 100
_READER = {"User-Agent": "curl/8.11.0", "Accept": "*/*"}
_BOT = f"GET {PAGE} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in GPTBOT.items()) + "\r\n"


def run() -> list[Row]:
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
    command = [sys.executable, "-m", "bench.decoys.tarpit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else "")
        finally:
            process.terminate()


def _serve() -> None:
    import uvicorn

    said = DecoyPolicy(serve=True, tarpit=True, cpu=100, connections=2 * _CONNECTIONS, per_client=2 * _CONNECTIONS)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_CONNECTIONS)
    print(listener.getsockname()[1], flush=True)
    guarded = ScrapeGuard(demo_site(), policy_of(Action.TARPIT, said))
    config = uvicorn.Config(guarded, http="httptools", access_log=False, log_level="error", proxy_headers=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    _serve()
