"""What the proxy answers itself, and the bounds of its HTTP protocol."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress

import pytest

from scrapeguard.proxy import protocol
from scrapeguard.proxy.front import HEALTH, Front

DATE = re.compile(rb"(?im)^date: (.*)\r$")


async def page(scope, receive, send):
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    headers = [(b"content-length", b"4")]
    if scope["path"] == "/dated":
        headers.append((b"date", b"Mon, 01 Jan 2024 00:00:00 GMT"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"page"})


def get(path, method="GET"):
    return f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize(("draining", "status", "body"), [(False, 200, b"serving\n"), (True, 503, b"draining\n")])
def test_the_health_tells_whether_it_serves(stage, raw_request, draining, status, body):
    front = Front(page)
    front.draining = draining
    port = stage.serve(front)
    answer = raw_request(port, get(HEALTH))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(b"\r\n\r\n" + body)
    assert b"cache-control: private, no-store" in answer
    assert raw_request(port, get(HEALTH, "HEAD")).endswith(b"\r\n\r\n")
    assert raw_request(port, get(HEALTH, "POST")).endswith(b"page")


def test_every_answer_has_one_date(stage, raw_request):
    port = stage.serve(Front(page, clock=lambda: 1_700_000_000.5))
    ours = b"Tue, 14 Nov 2023 22:13:20 GMT"
    assert DATE.findall(raw_request(port, get("/"))) == [ours]
    assert DATE.findall(raw_request(port, get("/dated"))) == [b"Mon, 01 Jan 2024 00:00:00 GMT"]
    assert DATE.findall(raw_request(port, get(HEALTH))) == [ours]


def rest(client):
    data = b""
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            data += part
    return data


@pytest.mark.parametrize("kind", ["target", "field", "many fields"])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(stage, kind):
    port = stage.serve(page)
    begin = b"GET /" if kind == "target" else b"GET / HTTP/1.1\r\nX: "
    piece = b"a" * 4096 if kind != "many fields" else b"a: b\r\n" * 700
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(begin if kind != "many fields" else b"GET / HTTP/1.1\r\n")
        sent = 0
        with suppress(OSError):
            for _ in range(500):
                client.sendall(piece)
                sent += len(piece)
                time.sleep(0.005)
    assert sent < 500 * len(piece)


def test_a_head_just_short_enough_passes(stage, raw_request):
    port = stage.serve(page)
    field = b"X: " + b"a" * 60_000 + b"\r\n"
    request = get("/").replace(b"Connection", field + b"Connection")
    assert raw_request(port, request).startswith(b"HTTP/1.1 200 ")


def test_many_requests_on_one_connection_do_not_add_up(stage):
    port = stage.serve(page)
    request = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 9000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        for _ in range(20):
            client.sendall(request)
            answer = b""
            while not answer.endswith(b"page"):
                answer += client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"\r\n"])
def test_a_head_that_does_not_come_is_not_awaited_for_ever(stage, monkeypatch, begin):
    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.3)
    port = stage.serve(page)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(begin)
        assert rest(client) == b""


def test_the_second_head_is_not_awaited_for_ever_either(stage, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.3)
    port = stage.serve(page)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(get("/").replace(b"Connection: close\r\n", b""))
        while not client.recv(65536).endswith(b"page"):
            pass
        client.sendall(b"GET / HT")
        assert rest(client) == b""


def test_an_answer_may_take_longer_than_a_head(stage, monkeypatch, raw_request):
    import asyncio

    async def slow(scope, receive, send):
        if scope["type"] == "http":
            await asyncio.sleep(1)
        await page(scope, receive, send)

    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.3)
    assert raw_request(stage.serve(slow), get("/")).endswith(b"page")


def test_trailers_are_no_header_fields(stage, raw_request, recorder):
    app = recorder(page)
    port = stage.serve(app)
    chunks = b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n"
    raw_request(port, b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + chunks)
    assert b"x-trailer" not in dict(app.scopes[0]["headers"])


CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def posted(port, begin):
    """A connection on which a request has begun and is answered already."""
    client = socket.create_connection(("127.0.0.1", port), 5)
    client.sendall(begin)
    answer = b""
    while not answer.endswith(b"page"):
        answer += client.recv(65536)
    return client


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b"0\r\n", b"a: b\r\n" * 700), (b"0\r\nx: ", b"a" * 4096), (b"1;x=", b"a" * 4096)],
    ids=["many trailers", "long trailer", "long extension"],
)
def test_what_follows_a_body_without_end_is_cut_and_not_answered_again(stage, begin, piece):
    with posted(stage.serve(page), CHUNKED + begin) as client:
        sent = 0
        with suppress(OSError):
            for _ in range(200):
                client.sendall(piece)
                sent += len(piece)
                time.sleep(0.005)
        assert rest(client) == b""
    assert sent < 200 * len(piece)


def test_trailers_are_not_kept(stage, monkeypatch):
    kept = []
    of_uvicorn = protocol.HttpToolsProtocol.on_header

    def on_header(self, name, value):
        of_uvicorn(self, name, value)
        kept.append(name)

    monkeypatch.setattr(protocol.HttpToolsProtocol, "on_header", on_header)
    with posted(stage.serve(page), CHUNKED + b"0\r\n") as client:
        client.sendall(b"a: b\r\nexpect: 100-continue\r\n\r\n" + get("/"))
        assert rest(client).count(b"page") == 1
    assert kept == [b"Host", b"Transfer-Encoding", b"Host", b"Connection"]


def test_trailers_are_not_awaited_for_ever(stage, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.3)
    with posted(stage.serve(page), CHUNKED + b"0\r\n") as client:
        sent = 0
        with suppress(OSError):
            for _ in range(100):
                client.sendall(b"a: b\r\n")
                sent += 1
                time.sleep(0.05)
        assert rest(client) == b""
    assert sent < 100


@pytest.mark.parametrize("length", [1, 5])
def test_who_sends_a_body_after_its_answer_is_not_awaited_for_ever(stage, monkeypatch, length):
    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.3)
    begin = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length
    with posted(stage.serve(page), begin) as client:
        client.sendall(b"x")
        assert rest(client) == b""


def test_a_body_in_many_small_chunks_does_not_add_up(stage, body_of, quiet_lifespan):
    bodies = []

    async def read(scope, receive, send):
        bodies.append(await body_of(receive))
        await page(scope, receive, send)

    port = stage.serve(quiet_lifespan(read))
    extension = b";x=" + b"y" * 30_000
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(CHUNKED)
        for _ in range(5):
            for piece in (b"1" + extension, b"\r\n", b"x", b"\r\n"):
                client.sendall(piece)
                time.sleep(0.02)
        client.sendall(b"0\r\nX-Trailer: 1\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert bodies == [b"xxxxx"]
