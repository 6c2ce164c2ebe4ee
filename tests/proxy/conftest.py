"""Real servers for the relay to stand between: uvicorn in a thread, and upstreams that write octets by hand."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest
import uvicorn

from scrapeguard.app import ScrapeGuard
from scrapeguard.proxy.protocol import BoundedHttpProtocol
from scrapeguard.proxy.relay import Relay
from scrapeguard.proxy.upstream import Upstream, Upstreams
from scrapeguard.rulefile.load import load_policy

TIMEOUT = 10
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
RULES = """
version: 1
extends: default
verification: {dns: off, refresh: off}
events: {log: off}
"""


def tcp_listener():
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    return listener


class Recorder:
    """An ASGI app that keeps the scopes that it is asked with, and hands the calls on."""

    def __init__(self, app):
        self.app = app
        self.scopes = []
        self.errors = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan":
            self.scopes.append(scope)
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self.errors.append(error)
            raise


@contextmanager
def serving(app, listener=None, *, http="httptools", **options):
    """uvicorn in a thread; yields its port. What the server logs as an error of ours fails the test."""
    listener = listener or tcp_listener()
    protocol = BoundedHttpProtocol if http == "httptools" else http
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        **options,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + TIMEOUT
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the server did not start"
    try:
        yield listener.getsockname()[1] if listener.family == socket.AF_INET else None
    finally:
        server.should_exit = True
        thread.join(TIMEOUT)


class RawUpstream:
    """A server that does with each connection what it is told, and keeps what came on it."""

    def __init__(self, handle):
        self._handle = handle
        self._listener = tcp_listener()
        self.port = self._listener.getsockname()[1]
        self.heard = []
        self.connections = 0
        self._closing = False
        self._threads = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection):
        with connection, suppress(OSError):
            connection.settimeout(TIMEOUT)
            self._handle(Conversation(connection, self.heard))

    def close(self):
        self._closing = True
        # Wakes `accept`, which a close alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(TIMEOUT)


class Conversation:
    """One connection of a raw upstream."""

    def __init__(self, connection, heard):
        self.connection = connection
        self._heard = heard
        self._rest = b""

    def head(self):
        """Read a head and keep it; None where the connection ended before one."""
        while b"\r\n\r\n" not in self._rest:
            data = self.connection.recv(65536)
            if not data:
                return None
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        self._heard.append(head)
        return head

    def read(self, size):
        while len(self._rest) < size:
            data = self.connection.recv(65536)
            if not data:
                break
            self._rest += data
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def send(self, data):
        self.connection.sendall(data)

    def wait_for_end(self):
        """Whether the other side ended the connection."""
        try:
            while self.connection.recv(65536):
                pass
        except ConnectionResetError:
            return True
        return True


def answering(data, *, close=True):
    """What a raw upstream does that gives this answer to every request."""

    def handle(conversation):
        while conversation.head() is not None:
            conversation.send(data)
            if close:
                return

    return handle


def ask_raw(port, data, *, shut=False):
    """Send octets; all that comes back until the server closes, or a second passes without more."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        with suppress(OSError):
            connection.sendall(data)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        connection.settimeout(TIMEOUT)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
        return answer


def statuses(answer):
    return [int(code) for code in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)]


def request(target, *lines, method="GET", body=b""):
    """A request as it goes over the wire."""
    return b"\r\n".join([f"{method} {target} HTTP/1.1".encode(), b"Host: site.example", *lines, b"", body])


def last_request(target, *lines, **options):
    """The last request on its connection, which the server then ends."""
    return request(target, b"Connection: close", *lines, **options)


def parsed(answer):
    """The status, the fields and the body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    return int(status.split()[1]), [tuple(field.split(b": ", 1)) for field in fields], body


def read_chunks(conversation):
    """A chunked body, whose framing is right and which has no trailers."""
    body = b""
    while True:
        line = b""
        while not line.endswith(b"\r\n"):
            line += conversation.read(1)
        size = int(line, 16)
        body += conversation.read(size)
        assert conversation.read(2) == b"\r\n"
        if not size:
            return body


def echo(conversation):
    """What a raw upstream does that answers with the body of the request."""
    head = conversation.head()
    if head is None:
        return
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    body = conversation.read(int(length[1])) if length else read_chunks(conversation)
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def hello(scope, receive, send):
    """An ASGI app that greets."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def quiet_lifespan(app):
    """An app that is told nothing of its lifespan."""

    async def wrapped(scope, receive, send):
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
        else:
            await app(scope, receive, send)

    return wrapped


class Stage:
    """Starts servers and ends them with the test."""

    def __init__(self, stack, tmp_path):
        self._stack = stack
        self.tmp_path = tmp_path

    def raw(self, handle):
        upstream = RawUpstream(handle)
        self._stack.callback(upstream.close)
        return upstream

    def serve(self, app, listener=None, **options):
        return self._stack.enter_context(serving(app, listener, **options))

    def relay(self, upstream, *, http="httptools", **options):
        """The port of a relay without a guard; an upstream is a port, a text, or upstreams."""
        return self.serve(Relay(upstreams(upstream), **options), http=http)

    def guarded(self, upstream, *, rules="", http="httptools", **options):
        """The port of a guarded relay under the default rules, but that it asks nobody outside."""
        path = self.tmp_path / "rules.yaml"
        path.write_text(RULES + rules)
        policy = load_policy(path)
        relay = Relay(upstreams(upstream), proxies=policy.proxies, **options)
        return self.serve(ScrapeGuard(relay, policy), http=http)


def upstreams(upstream):
    if isinstance(upstream, Upstreams):
        return upstream
    return Upstreams(Upstream.of(f"http://127.0.0.1:{upstream}" if isinstance(upstream, int) else upstream))


@pytest.fixture
def stage(tmp_path):
    with ExitStack() as stack:
        yield Stage(stack, tmp_path)


@pytest.fixture(params=["httptools", "h11"])
def parser(request):
    """Both parsers of uvicorn: they let different things pass."""
    return request.param


@pytest.fixture
def answer_with():
    return answering


@pytest.fixture
def raw_request():
    return ask_raw


@pytest.fixture
def statuses_of():
    return statuses


@pytest.fixture(name="get")
def _get():
    return request


@pytest.fixture(name="one")
def _one():
    return last_request


@pytest.fixture(name="split")
def _split():
    return parsed


@pytest.fixture(name="echo")
def _echo():
    return echo


@pytest.fixture(name="hello")
def _hello():
    return hello


@pytest.fixture(name="quiet_lifespan")
def _quiet_lifespan():
    return quiet_lifespan


@pytest.fixture
def recorder():
    return Recorder


async def read_body(receive):
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


@pytest.fixture
def body_of():
    return read_body


@pytest.fixture
def eventually():
    """Wait until something is so."""

    def eventually(is_so):
        deadline = time.monotonic() + TIMEOUT
        while not is_so():
            assert time.monotonic() < deadline, "it never came to be so"
            time.sleep(0.02)

    return eventually


@pytest.fixture
def run_async():
    return asyncio.run


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost and its key."""
    done = subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem".split(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("openssl cannot make a certificate here")
    return tmp_path / "cert.pem", tmp_path / "key.pem"
