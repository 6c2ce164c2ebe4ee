"""The processes that `bench.proxy` measures, or measures with: `python -m bench.proxy_parts PART CORE UPSTREAM…`.

Each is bound to a core and prints, on its first line, the port on which it serves.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

BODY = b"x" * 3_000
PIECE = b"y" * (1 << 16)
LARGE = 1 << 30
MIDDLE = 1 << 20

_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sun, 22 Nov 2026 08:00:00 GMT\r\nContent-Type: text/html\r\n"
    b"Content-Length: %d\r\n\r\n"
)
_STYLE = _HEAD.replace(b"text/html", b"text/css")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")


class Upstream(asyncio.Protocol):
    """Answers with a page of 3 kB, a style as long, 1 GB (`/large`), 1 MB (`/middle`), or the SHA-256 of an upload."""

    def __init__(self) -> None:
        self._received = b""
        self._awaited = 0
        self._resumed = asyncio.Event()
        self._resumed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each head that is whole, and read bodies."""
        if self._awaited:
            self._upload(data)
            return
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answer(head)

    def pause_writing(self) -> None:
        """Wait until what was written is taken."""
        self._resumed.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._resumed.set()

    def _answer(self, head: bytes) -> None:
        target = head.split(b" ", 2)[1]
        if target == b"/large":
            self._task = asyncio.get_running_loop().create_task(self._pour(LARGE))
        elif target == b"/middle":
            self._task = asyncio.get_running_loop().create_task(self._pour(MIDDLE))
        elif length := _LENGTH.search(head):
            self._awaited = int(length[1])
            self._digest = hashlib.sha256()
            rest, self._received = self._received, b""
            self._upload(rest)
        else:
            self._transport.write((_STYLE if target == b"/site.css" else _HEAD) % len(BODY) + BODY)

    def _upload(self, data: bytes) -> None:
        self._digest.update(data)
        self._awaited -= len(data)
        if not self._awaited:
            self._transport.write(_HEAD % 64 + self._digest.hexdigest().encode())

    async def _pour(self, size: int) -> None:
        self._transport.write(_HEAD % size)
        for _ in range(size // len(PIECE)):
            await self._resumed.wait()
            self._transport.write(PIECE)


def bare(upstream: str) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The least that relays a page with the same client library: nothing filtered, nothing watched, no guard."""
    import aiohttp

    sessions: list[aiohttp.ClientSession] = []

    async def relay(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
            return
        if not sessions:
            sessions.append(aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()))
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        url = upstream + scope["raw_path"].decode()
        async with sessions[0].request(scope["method"], url, headers=headers, allow_redirects=False) as response:
            fields = [(name.lower(), value) for name, value in response.raw_headers]
            await send({"type": "http.response.start", "status": response.status, "headers": fields})
            async for part in response.content.iter_any():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return relay


def serve_asgi(part: str, upstreams: list[str]) -> None:
    from dataclasses import replace
    from ipaddress import ip_network

    import uvicorn

    from scrapeguard import ScrapeGuard, load_policy
    from scrapeguard.core.forwarded import Proxies
    from scrapeguard.core.policy import Policy, VerificationPolicy
    from scrapeguard.proxy.relay import Relay
    from scrapeguard.proxy.serving import Serving, config_of
    from scrapeguard.proxy.types import ASGIApp
    from scrapeguard.proxy.upstream import Upstream as At
    from scrapeguard.proxy.upstream import Upstreams
    from scrapeguard.rulefile.load import packaged_rules

    # Nobody outside is asked. `behind` trusts a proxy on this machine, which sends the requests of many clients.
    default = load_policy()
    policy = Policy(
        replace(default.common),
        default.catalogue,
        proxies=Proxies([ip_network("127.0.0.0/8")] if part == "behind" else []),
        verification=VerificationPolicy(dns=False, refresh=False),
    )
    by_host = {"ws.example.org": At.of(upstreams[1])} if len(upstreams) > 1 else {}

    class Build:
        def __call__(self, policy: Policy) -> ASGIApp:
            relay = Relay(Upstreams(At.of(upstreams[0]), by_host), proxies=policy.proxies)
            return relay if part == "relay" else ScrapeGuard(relay, policy)

        def in_force(self) -> None:
            pass

        async def close(self) -> None:
            pass

    listener = _listener()
    serving = Serving(Build, policy, packaged_rules(), lambda _: policy)
    config = config_of(serving)
    if part == "bare":
        plain = bare(upstreams[0])
        config = uvicorn.Config(
            plain,
            loop="uvloop",
            http="httptools",
            log_level="error",
            access_log=False,
            proxy_headers=False,
            date_header=False,
            server_header=False,
        )
    uvicorn.Server(config).run(sockets=[listener])


async def serve_upstream(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, sock=listener)
    await server.serve_forever()


async def serve_websockets(listener: socket.socket) -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, sock=listener, compression=None) as server:
        await server.serve_forever()


def _listener() -> socket.socket:
    """A socket with its protocol named, or Nagle's algorithm stays on; its port goes to whoever started us."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    print(listener.getsockname()[1], flush=True)
    return listener


def main() -> None:
    import resource

    import uvloop

    part, core, *upstreams = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if part == "upstream":
        uvloop.run(serve_upstream(_listener()))
    elif part == "websockets":
        uvloop.run(serve_websockets(_listener()))
    else:
        serve_asgi(part, upstreams)


if __name__ == "__main__":
    main()
