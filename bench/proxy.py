"""What does the reverse proxy cost?

How to read it: each server is a process bound to one core; upstream and load share the other. The bare relay is what
one writes with the session of the same client library (aiohttp), under the same server (uvicorn, httptools, uvloop),
without a guard; the proxy itself uses that library below its session. Loads of 32 connections take turns, for half a
second each. The machine may have other work, so what counts is the CPU time that the serving process spends on a
request, of which the throughput of a core follows; the ratios are the medians of those of each round, requests a second
are what came through meanwhile, the best of the rounds. curl asks directly; Chrome comes behind a proxy that is
trusted, and is judged by its headers and its past: as one of 5,000 readers, who have fetched the style sheet and open
a page by a link each time that their turn comes; or, at a server of their own, as newcomers, who are never the same,
which is the worst case.
Memory is the growth of the resident set while 1 GB goes down or up, whose octets are compared by hash. Slow clients
have asked for 1 MB each and read nothing of it, while 200 WebSockets echo and others ask for the page; their median is
compared with that before. New rules are written again and again while 32 connections ask without pause; the last must
be in force.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from itertools import count, repeat
from statistics import median
from typing import Any

from bench.clients import CHROME, PAGE
from bench.proxy_load import CONNECTIONS, CORE, LOAD_CORE, Load, Server, load_of, nginx_before, started
from bench.proxy_parts import BODY, LARGE, PIECE
from bench.proxy_reload import reload_row
from bench.report import Row, micro
from bench.timing import taking_turns

LEAST_OF_BARE = 0.85
AIM_OF_NGINX = 0.2
MOST_GROWTH_MB = 16
MOST_LATENCY = 1.3
CURL = {"host": "gazette.example.org", "user-agent": "curl/8.11.0", "accept": "*/*"}
_ROUNDS = 25
_SECONDS = 0.5
_CLIENTS = 5_000
_SLOW, _WEBSOCKETS = 1_000, 200

Look = Callable[[], object]
"""Notes how much memory is in use."""


def run() -> list[Row]:
    with ExitStack() as stack:

        def start(part: str, core: int, *upstreams: str) -> Server:
            return stack.enter_context(started(part, core, *upstreams))

        upstream = start("upstream", LOAD_CORE)
        sockets = start("websockets", LOAD_CORE)
        at = f"http://127.0.0.1:{upstream.port}"
        parts = {"bare": "bare", "relay": "relay", "guarded": "guarded", "behind": "behind", "crowded": "behind"}
        servers = {name: start(part, CORE, at, f"http://127.0.0.1:{sockets.port}") for name, part in parts.items()}
        if nginx := stack.enter_context(nginx_before(upstream.port)):
            servers["nginx"] = nginx
        guarded = servers["guarded"]
        crowd = asyncio.run(_crowd(guarded))
        return [*_throughput(servers), *_large(guarded), *crowd, reload_row(upstream.port)]


def _throughput(servers: dict[str, Server]) -> list[Row]:
    kinds: dict[str, Callable[[], Iterator[bytes]]]
    kinds = {"curl": partial(repeat, _request(CURL)), "readers": _reading, "newcomers": _coming}
    loads: dict[tuple[str, str], list[Load]] = {(name, kind): [] for name in ("bare", "relay") for kind in kinds}
    loads |= {("guarded", "curl"): [], ("behind", "readers"): [], ("crowded", "newcomers"): []}
    if "nginx" in servers:
        loads["nginx", "curl"] = []
    requests = {(name, kind): kinds[kind]() for name, kind in loads}
    asyncio.run(load_of(servers["behind"], _fetching_styles()))

    def measure(name: str, kind: str) -> float:
        load = asyncio.run(load_of(servers[name], requests[name, kind], _SECONDS))
        loads[name, kind].append(load)
        return load.cpu

    taking_turns({f"{name} {kind}": partial(measure, name, kind) for name, kind in loads}, _ROUNDS)
    rows = [
        *_compared("curl", loads["bare", "curl"], loads["relay", "curl"], loads["guarded", "curl"]),
        *_compared("readers", loads["bare", "readers"], loads["relay", "readers"], loads["behind", "readers"]),
        *_compared(
            "newcomers", loads["bare", "newcomers"], loads["relay", "newcomers"], loads["crowded", "newcomers"], None
        ),
    ]
    if "nginx" not in servers:
        return rows
    ratio = _ratio(loads["nginx", "curl"], loads["guarded", "curl"])
    figure = _figure(loads["nginx", "curl"])
    return [
        *rows,
        Row("nginx proxying on one core, to curl", figure, f"aim {AIM_OF_NGINX}x", f"we do {ratio:.2f}x of it"),
    ]


def _compared(
    kind: str, bare: list[Load], relay: list[Load], guarded: list[Load], least: float | None = LEAST_OF_BARE
) -> Iterator[Row]:
    yield Row(f"Bare relay of a 3 kB page to {kind}, {CONNECTIONS} connections", _figure(bare))
    for loads, question, target in ((relay, "without a guard", None), (guarded, "behind the guard", least)):
        ratio = _ratio(bare, loads)
        met = None if target is None else ratio >= target
        aim = "" if target is None else f">= {target}x"
        yield Row(f"the relay {question}, to {kind}", _figure(loads), aim, f"{ratio:.2f}x bare", met)


def _ratio(bare: list[Load], loads: list[Load]) -> float:
    """How much of what the one gets through the other does, round by round: the rounds are not equally disturbed."""
    return median(one.cpu / other.cpu for one, other in zip(bare, loads, strict=True))


def _figure(loads: list[Load]) -> str:
    return f"{max(load.per_second for load in loads):,.0f}/s, {micro(median(load.cpu for load in loads))}"


def _request(headers: Mapping[str, str], target: str = "/") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode()


def _as_client(request: bytes, number: int) -> bytes:
    """The request as a proxy hands it on."""
    address = f"{10 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return request.replace(b"\r\n\r\n", b"\r\nx-forwarded-for: %s\r\n\r\n" % address.encode())


def _fetching_styles() -> Iterator[bytes]:
    fetched = {**CHROME, "sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "style"}
    return (_as_client(_request(fetched, "/site.css"), number) for number in range(_CLIENTS))


def _reading() -> Iterator[bytes]:
    referrer = f"http://{CHROME['host']}/"
    page = _request({**CHROME, "sec-fetch-site": "same-origin", "referer": referrer}, f"{PAGE}?part=PART")
    for part in count():
        of_part = page.replace(b"PART", b"%d" % part)
        for number in range(_CLIENTS):
            yield _as_client(of_part, number)


def _coming() -> Iterator[bytes]:
    page = _request(CHROME, PAGE)
    return (_as_client(page, number) for number in count(_CLIENTS))


def _large(server: Server) -> list[Row]:
    return [
        _growth("1 GB down, growth of memory", server, _down),
        _growth("1 GB up, growth of memory", server, _up),
    ]


def _growth(question: str, server: Server, go: Callable[[Server, Look], Coroutine[Any, Any, bool]]) -> Row:
    before = server.resident()
    most = [before]
    start = time.perf_counter()
    equal = asyncio.run(go(server, lambda: most.append(server.resident())))
    grown = (max(most) - before) / 1e6
    figure = f"{grown:.1f} MB, {LARGE / 1e6 / (time.perf_counter() - start):,.0f} MB/s"
    measure = "every octet equal" if equal else "OCTETS DIFFER"
    return Row(question, figure, f"<= {MOST_GROWTH_MB} MB", measure, equal and grown <= MOST_GROWTH_MB)


def _expected() -> bytes:
    digest = hashlib.sha256()
    for _ in range(LARGE // len(PIECE)):
        digest.update(PIECE)
    return digest.digest()


async def _down(server: Server, look: Look) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /large HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nConnection: close\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    digest = hashlib.sha256()
    number = 0
    while part := await reader.read(1 << 20):
        digest.update(part)
        number += 1
        if not number % 100:
            look()
    look()
    writer.close()
    return digest.digest() == _expected()


async def _up(server: Server, look: Look) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nContent-Length: %d\r\n\r\n" % LARGE)
    for number in range(LARGE // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
        if not number % 1000:
            look()
    await reader.readuntil(b"\r\n\r\n")
    digest = await reader.readexactly(64)
    look()
    writer.close()
    return bytes.fromhex(digest.decode()) == _expected()


async def _crowd(server: Server) -> list[Row]:
    """Latency of a page before, and while slow clients and WebSockets are there."""
    before = await _latency(server)
    slow = [await _slow_client(server) for _ in range(_SLOW)]
    sockets = [asyncio.create_task(_websocket(server)) for _ in range(_WEBSOCKETS)]
    await asyncio.sleep(3)
    during = await _latency(server)
    errors = sum(task.done() for task in sockets)
    for task in sockets:
        task.cancel()
    await asyncio.gather(*sockets, return_exceptions=True)
    for writer in slow:
        errors += writer.transport.is_closing()
        writer.close()
    ratio = during / before
    question = f"{_SLOW:,} slow clients and {_WEBSOCKETS} WebSockets: median latency of others"
    figure = f"{before * 1e3:.2f} -> {during * 1e3:.2f} ms"
    met = ratio <= MOST_LATENCY and not errors
    return [Row(question, figure, f"<= {MOST_LATENCY}x", f"{ratio:.2f}x, {errors} errors", met)]


async def _latency(server: Server, seconds: float = 5.0) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\n\r\n"
    times = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        times.append(time.perf_counter() - start)
        await asyncio.sleep(0.002)
    writer.close()
    return median(times)


async def _slow_client(server: Server) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(b"GET /middle HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    return writer


async def _websocket(server: Server) -> None:
    from websockets.asyncio.client import connect

    url = "ws://ws.example.org/"
    async with connect(
        url, host="127.0.0.1", port=server.port, proxy=None, compression=None, open_timeout=30
    ) as client:
        while True:
            await client.send("x" * 100)
            if await client.recv() != "x" * 100:
                raise RuntimeError("another message came back")
            await asyncio.sleep(1)
