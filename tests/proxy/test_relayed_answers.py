"""What a client sees of an answer, between a real client and real upstreams."""

from __future__ import annotations

import hashlib
import resource
import socket
import threading
import time

import httpx
import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SIZE = 64 << 20


def test_the_answer_comes_back_octet_for_octet(stage, parser, raw_request, answer_with, one, split):
    fields = [
        b"Server: Old/1.0",
        b"Date: Mon, 01 Jan 2024 00:00:00 GMT",
        b"Set-Cookie: a=1; Path=/",
        b"Set-Cookie: b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT",
        b"X-Latin: \xe9",
        b"Content-Encoding: gzip",
        b"Content-Length: 4",
        b"Link: </x>; rel=preload",
        b"Link: </y>; rel=preload",
        b"Vary: accept",
    ]
    hop = [b"Connection: X-Hop", b"X-Hop: 1", b"Keep-Alive: timeout=5"]
    upstream = stage.raw(answer_with(b"\r\n".join([b"HTTP/1.1 200 Fine", *fields, *hop, b"", b"\x1f\x8b\0\1"])))
    status, came, body = split(raw_request(stage.relay(upstream.port, http=parser), one("/")))
    assert (status, body) == (200, b"\x1f\x8b\0\1")
    expected = [(name.lower(), value) for name, value in (field.split(b": ", 1) for field in fields)]
    assert [(n.lower(), v) for n, v in came if n.lower() != b"connection"] == expected


@pytest.mark.parametrize("status", [200, 201, 206, 301, 302, 303, 307, 308, 401, 404, 410, 418, 500, 503, 599])
def test_every_status_comes_back_and_nothing_is_followed(stage, raw_request, answer_with, status, one, split):
    fields = b"Location: /elsewhere\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2"
    upstream = stage.raw(answer_with(b"HTTP/1.1 %d X\r\n%b\r\n\r\nok" % (status, fields)))
    came, headers, body = split(raw_request(stage.relay(upstream.port), one("/")))
    assert (came, body) == (status, b"ok")
    assert (b"location", b"/elsewhere") in headers
    assert upstream.connections == 1


@pytest.mark.parametrize("status", [600, 999])
def test_what_is_no_status_is_no_answer(stage, parser, raw_request, answer_with, statuses_of, status, one):
    upstream = stage.raw(answer_with(b"HTTP/1.1 %d Denied\r\nContent-Length: 0\r\n\r\n" % status))
    assert statuses_of(raw_request(stage.relay(upstream.port, http=parser), one("/"))) == [502]


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_has_none(stage, parser, raw_request, answer_with, status, one, split):
    upstream = stage.raw(answer_with(b'HTTP/1.1 %d X\r\nETag: "x"\r\nContent-Length: 3000\r\n\r\n' % status))
    came, headers, body = split(raw_request(stage.relay(upstream.port, http=parser), one("/")))
    assert (came, body) == (status, b"")
    assert (b"etag", b'"x"') in headers


def test_head_tells_the_length_of_get(stage, parser, raw_request, answer_with, one, split):
    upstream = stage.raw(answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n"))
    status, headers, body = split(raw_request(stage.relay(upstream.port, http=parser), one("/", method="HEAD")))
    assert (status, body) == (200, b"")
    assert (b"content-length", b"3000") in headers


def test_answers_before_the_answer_are_dropped(stage, raw_request, answer_with, statuses_of, one, split):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    upstream = stage.raw(answer_with(early + OK))
    answer = raw_request(stage.relay(upstream.port), one("/"))
    assert statuses_of(answer) == [200]
    assert split(answer)[2] == b"ok"


def test_chunks_come_back_whole_and_their_trailers_do_not(stage, raw_request, answer_with, one):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    upstream = stage.raw(answer_with(head + b"3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n"))
    port = stage.relay(upstream.port)
    assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text == "abcdef"
    assert b"X-T" not in raw_request(port, one("/"))


def test_an_answer_that_ends_with_its_connection_comes_back_whole(stage, answer_with):
    upstream = stage.raw(answer_with(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"))
    assert httpx.get(f"http://127.0.0.1:{stage.relay(upstream.port)}/", trust_env=False).text == "until the end"


def test_no_cookie_of_one_client_reaches_another(stage, raw_request, answer_with, one):
    upstream = stage.raw(answer_with(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=secret\r\nContent-Length: 0\r\n\r\n"))
    port = stage.relay(upstream.port)
    for _ in range(2):
        raw_request(port, one("/"))
    assert b"secret" not in upstream.heard[1]


def test_events_come_one_by_one(stage):
    go_on = threading.Event()

    def stream(conversation):
        conversation.head()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            conversation.send(b"%x\r\n%b\r\n" % (len(event), event))
            assert go_on.wait(5)
            go_on.clear()
        conversation.send(b"0\r\n\r\n")

    url = f"http://127.0.0.1:{stage.relay(stage.raw(stream).port)}/"
    with httpx.stream("GET", url, trust_env=False) as answer:
        events = answer.iter_raw()
        for expected in (b"data: 1\n\n", b"data: 2\n\n"):
            # The upstream sends nothing more before this has arrived.
            assert next(events) == expected
            go_on.set()
        assert list(events) == []


def test_connections_to_the_upstream_are_used_again(stage, raw_request, answer_with, one):
    upstream = stage.raw(answer_with(OK, close=False))
    port = stage.relay(upstream.port)
    for _ in range(5):
        raw_request(port, one("/"))
    assert (upstream.connections, len(upstream.heard)) == (1, 5)


def test_64_mb_go_down_and_up_equal_and_are_not_kept(stage, recorder, quiet_lifespan):
    seen = {}

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        digest, more = hashlib.sha256(), scope["method"] == "POST"
        while more:
            message = await receive()
            digest.update(message.get("body", b""))
            more = message.get("more_body", False)
        seen["up"] = digest.hexdigest()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % SIZE)]})
        for number in range(SIZE >> 16):
            await send({"type": "http.response.body", "body": part(number), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    port = stage.guarded(stage.serve(quiet_lifespan(app)))
    expected = hashlib.sha256()
    for number in range(SIZE >> 16):
        expected.update(part(number))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    down = hashlib.sha256()
    parts = (part(number) for number in range(SIZE >> 16))
    with httpx.stream("POST", f"http://127.0.0.1:{port}/", content=parts, trust_env=False, timeout=60) as answer:
        for piece in answer.iter_raw():
            down.update(piece)
    assert (seen["up"], down.hexdigest()) == (expected.hexdigest(), expected.hexdigest())
    # In kB, of client, relay and upstream together; a copy of either body would be 65,536.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000


def part(number):
    return number.to_bytes(4, "big") * (1 << 14)


def test_an_upstream_sends_no_faster_than_the_client_reads(stage, get):
    sent = [0]

    def pour(conversation):
        conversation.head()
        conversation.connection.settimeout(1)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        try:
            for _ in range(SIZE >> 16):
                conversation.send(b"x" * (1 << 16))
                sent[0] += 1 << 16
        except TimeoutError:
            sent.append("stopped")

    port = stage.relay(stage.raw(pour).port)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(get("/"))
        client.recv(1000)
        until = time.monotonic() + 8
        while len(sent) == 1 and sent[0] < SIZE and time.monotonic() < until:
            time.sleep(0.05)
    # The rest is in the buffers of two connections.
    assert "stopped" in sent
    assert sent[0] < SIZE // 2
