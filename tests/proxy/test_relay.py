"""The relay between a real client, a real server and real upstreams."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import re
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import closing

import httpx
import pytest

from scrapeguard.proxy.body import BrokenAnswerError
from scrapeguard.proxy.exchange import Limits
from scrapeguard.proxy.relay import Ceilings, Relay
from scrapeguard.proxy.upstream import Upstream, Upstreams

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHORT = Limits(head=0.4, idle=0.4, client=0.4)
SIZE = 64 << 20


def get(target, *lines, method="GET", body=b""):
    return b"\r\n".join([f"{method} {target} HTTP/1.1".encode(), b"Host: site.example", *lines, b"", body])


def one(target, *lines, **options):
    return get(target, b"Connection: close", *lines, **options)


def split(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    return int(status.split()[1]), [tuple(field.split(b": ", 1)) for field in fields], body


# What the upstream sees


TARGETS = [
    "/",
    "/a%2Fb/%2e%2e/c",
    "/a/../b/./c//d",
    "//double",
    "/%41%61%7e~",
    "/semi;colon;x=1/a;b",
    "/sp%20ace+plus",
    "/q?",
    "/q?a=b&a=c&=&&x",
    "/q?a=%2F%zz&b=a b".replace(" ", "%20"),
    "/q??x?y=/z",
    "/:colon@at!$&'()*,",
    '/[br]{ace}|pipe\\back^`quote"',
    "/%",
    "/%f",
    "/%ff%fe",
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_arrives_octet_for_octet(stage, parser, raw_request, answer_with, statuses_of, target):
    upstream = stage.raw(answer_with(OK))
    answer = raw_request(stage.relay(upstream.port, http=parser), one(target))
    assert statuses_of(answer) == [200]
    # ASGI does not tell an empty query from none.
    expected = target.removesuffix("?") if target == "/q?" else target
    assert upstream.heard[0].split(b"\r\n")[0] == b"GET %b HTTP/1.1" % expected.encode()


def test_the_fields_arrive_octet_for_octet(stage, parser, raw_request, answer_with):
    upstream = stage.raw(answer_with(OK))
    sent = [
        b"User-Agent: x  y",
        b"Accept: */*",
        b"Cookie: a=1; b=\xc3\xa9",
        b"X-Dup: 1",
        b"Cookie: c=2",
        b"X-Dup: 2",
        b"X-Empty:",
        b"Referer: http://h/\xf0\x9f\x8c\x8a",
        b'If-None-Match: "x"',
        b"Range: bytes=1-2",
        b"Authorization: Basic eDp5",
        b"Accept-Encoding: br",
        b"X-Under_score: 1",
    ]
    raw_request(stage.relay(upstream.port, http=parser), one("/", *sent))
    lines = upstream.heard[0].split(b"\r\n")[1:]
    assert lines == [
        b"host: site.example",
        *(b"%b: %b" % (name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in sent)),
        b"x-forwarded-for: 127.0.0.1",
        b"x-forwarded-proto: http",
        b"x-forwarded-host: site.example",
        b"via: 1.1 scrapeguard",
    ]


def test_nothing_is_added_that_the_client_did_not_ask_for(stage, raw_request, answer_with):
    upstream = stage.raw(answer_with(OK))
    raw_request(stage.relay(upstream.port), one("/", b"Content-Length: 0", method="POST"))
    names = {line.partition(b":")[0].lower() for line in upstream.heard[0].split(b"\r\n")[1:]}
    assert names == {
        b"host",
        b"via",
        b"content-length",
        *(b"x-forwarded-" + kind for kind in (b"for", b"proto", b"host")),
    }


def test_fields_of_the_connection_stay_here(stage, parser, raw_request, answer_with):
    upstream = stage.raw(answer_with(OK))
    fields = [
        b"Connection: close, X-Secret",
        b"X-Secret: 1",
        b"Keep-Alive: timeout=5",
        b"TE: trailers",
        b"Proxy-Connection: keep-alive",
        b"X-Scrapeguard-Verdict: allow",
        b"X-Forwarded-For: 66.249.66.1",
        b"X_Forwarded_For: 66.249.66.1",
    ]
    raw_request(stage.relay(upstream.port, http=parser), get("/", *fields))
    [head] = upstream.heard
    for gone in (b"secret", b"keep-alive", b"\r\nte:", b"proxy-connection", b"scrapeguard-", b"66.249", b"connection"):
        assert gone not in head.lower()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE"])
def test_the_method_arrives(stage, raw_request, answer_with, method):
    upstream = stage.raw(answer_with(OK))
    raw_request(stage.relay(upstream.port), one("/", method=method))
    assert upstream.heard[0].startswith(method.encode() + b" / ")


def test_an_options_of_the_whole_server_arrives(stage, raw_request, answer_with, statuses_of):
    upstream = stage.raw(answer_with(OK))
    # httptools takes no asterisk: the other parser has to show it.
    assert statuses_of(raw_request(stage.relay(upstream.port, http="h11"), one("*", method="OPTIONS"))) == [200]
    assert upstream.heard[0].startswith(b"OPTIONS * HTTP/1.1")


def test_a_request_without_host_gets_that_of_the_upstream(stage, raw_request, answer_with):
    upstream = stage.raw(answer_with(OK))
    raw_request(stage.relay(upstream.port), b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nhost: 127.0.0.1:%d\r\n" % upstream.port in upstream.heard[0].lower()


def echo(conversation):
    head = conversation.head()
    if head is None:
        return
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    body = conversation.read(int(length[1])) if length else read_chunks(conversation)
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def read_chunks(conversation):
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


BODY = bytes(range(256)) * 40


def test_a_body_of_known_length_arrives(stage, parser, raw_request):
    upstream = stage.raw(echo)
    length = b"Content-Length: %d" % len(BODY)
    answer = raw_request(stage.relay(upstream.port, http=parser), one("/", length, method="POST", body=BODY))
    assert split(answer)[2] == BODY
    assert b"transfer-encoding" not in upstream.heard[0].lower()


def test_a_chunked_body_arrives_without_its_trailers(stage, parser, raw_request):
    upstream = stage.raw(echo)
    chunks = b"5;ext=1\r\nhello\r\n%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY)
    fields = [b"Transfer-Encoding: chunked", b"Trailer: X-Trailer"]
    answer = raw_request(stage.relay(upstream.port, http=parser), one("/", *fields, method="POST", body=chunks))
    assert split(answer)[2] == b"hello" + BODY
    assert b"content-length" not in upstream.heard[0].lower()
    assert b"trailer" not in upstream.heard[0].lower()


def test_a_body_is_asked_for_only_once_the_upstream_is_there(stage, parser):
    upstream = stage.raw(echo)
    port = stage.relay(upstream.port, http=parser)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(one("/", b"Content-Length: 5", b"Expect: 100-continue", method="PUT"))
        assert client.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert client.recv(1024).endswith(b"hello")
    assert b"expect" not in upstream.heard[0].lower()


def test_nobody_asks_for_a_body_that_has_nowhere_to_go(stage, raw_request, statuses_of):
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    request = one("/", b"Content-Length: 5", b"Expect: 100-continue", method="PUT")
    assert statuses_of(raw_request(stage.relay(port), request)) == [502]


def test_an_answer_may_come_before_the_body_is_sent(stage, raw_request, statuses_of):
    def refuse(conversation):
        conversation.head()
        conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
        conversation.wait_for_end()

    upstream = stage.raw(refuse)
    port = stage.relay(upstream.port)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(get("/", b"Content-Length: 1000000", method="POST", body=b"x" * 1000))
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


# What the client sees


def test_the_answer_comes_back_octet_for_octet(stage, parser, raw_request, answer_with):
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
def test_every_status_comes_back_and_nothing_is_followed(stage, raw_request, answer_with, status):
    fields = b"Location: /elsewhere\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2"
    upstream = stage.raw(answer_with(b"HTTP/1.1 %d X\r\n%b\r\n\r\nok" % (status, fields)))
    came, headers, body = split(raw_request(stage.relay(upstream.port), one("/")))
    assert (came, body) == (status, b"ok")
    assert (b"location", b"/elsewhere") in headers
    assert upstream.connections == 1


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_has_none(stage, parser, raw_request, answer_with, status):
    upstream = stage.raw(answer_with(b'HTTP/1.1 %d X\r\nETag: "x"\r\nContent-Length: 3000\r\n\r\n' % status))
    came, headers, body = split(raw_request(stage.relay(upstream.port, http=parser), one("/")))
    assert (came, body) == (status, b"")
    assert (b"etag", b'"x"') in headers


def test_head_tells_the_length_of_get(stage, parser, raw_request, answer_with):
    upstream = stage.raw(answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n"))
    status, headers, body = split(raw_request(stage.relay(upstream.port, http=parser), one("/", method="HEAD")))
    assert (status, body) == (200, b"")
    assert (b"content-length", b"3000") in headers


def test_answers_before_the_answer_are_dropped(stage, raw_request, answer_with, statuses_of):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    upstream = stage.raw(answer_with(early + OK))
    answer = raw_request(stage.relay(upstream.port), one("/"))
    assert statuses_of(answer) == [200]
    assert split(answer)[2] == b"ok"


def test_chunks_come_back_whole_and_their_trailers_do_not(stage, raw_request, answer_with):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    upstream = stage.raw(answer_with(head + b"3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n"))
    port = stage.relay(upstream.port)
    assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text == "abcdef"
    assert b"X-T" not in raw_request(port, one("/"))


def test_an_answer_that_ends_with_its_connection_comes_back_whole(stage, answer_with):
    upstream = stage.raw(answer_with(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"))
    assert httpx.get(f"http://127.0.0.1:{stage.relay(upstream.port)}/", trust_env=False).text == "until the end"


def test_no_cookie_of_one_client_reaches_another(stage, raw_request, answer_with):
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


def test_connections_to_the_upstream_are_used_again(stage, raw_request, answer_with):
    upstream = stage.raw(answer_with(OK, close=False))
    port = stage.relay(upstream.port)
    for _ in range(5):
        raw_request(port, one("/"))
    assert (upstream.connections, len(upstream.heard)) == (1, 5)


# Much


def test_64_mb_go_down_and_up_equal_and_are_not_kept(stage, recorder):
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


def quiet_lifespan(app):
    async def wrapped(scope, receive, send):
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
        else:
            await app(scope, receive, send)

    return wrapped


def test_an_upstream_sends_no_faster_than_the_client_reads(stage):
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


# What goes wrong


def one_answer(data):
    def handle(conversation):
        conversation.head()
        conversation.send(data)

    return handle


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 18) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Half: ",
    ],
    ids=lambda answer: repr(answer[:45]),
)
def test_what_is_no_answer_is_a_bad_gateway(stage, parser, raw_request, answer):
    upstream = stage.raw(one_answer(answer))
    status, headers, body = split(raw_request(stage.relay(upstream.port, http=parser), one("/")))
    assert status == 502
    assert (b"cache-control", b"private, no-store") in headers
    assert b"502 Bad Gateway" in body


def test_an_upstream_that_is_not_there_is_a_bad_gateway_and_comes_back(stage, raw_request, statuses_of, caplog):
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    relay = stage.relay(port)
    for _ in range(3):
        assert statuses_of(raw_request(relay, one("/"))) == [502]
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    stage.serve(quiet_lifespan(hello), listener)
    assert statuses_of(raw_request(relay, one("/"))) == [200]
    told = [record.getMessage() for record in caplog.records if record.name == "scrapeguard"]
    assert len(told) == 2
    assert "Connect" in told[0]
    assert "answers again, after 3 failed requests" in told[1]


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def test_an_upstream_that_restarts_is_asked_anew_where_asking_twice_does_no_harm(stage, raw_request, statuses_of):
    """The connection that was kept is gone; a second one is opened, but for what may have been done already."""

    def once(conversation):
        if conversation.head() is not None:
            conversation.send(OK)
            # Reads the second request, and ends without a word.
            conversation.head()

    upstream = stage.raw(once)
    port = stage.relay(upstream.port)
    assert [statuses_of(raw_request(port, one("/")))[0] for _ in range(3)] == [200, 200, 200]
    answer = raw_request(port, one("/", b"Content-Length: 0", method="POST"))
    assert statuses_of(answer) == [502]


def test_a_body_is_never_sent_twice(stage, raw_request, statuses_of):
    def once(conversation):
        if conversation.head() is not None:
            conversation.send(OK)
            if conversation.head() is not None:
                conversation.read(5)

    upstream = stage.raw(once)
    port = stage.relay(upstream.port)
    raw_request(port, one("/"))
    answer = raw_request(port, one("/", b"Content-Length: 5", method="PUT", body=b"hello"))
    assert statuses_of(answer) == [502]


def test_an_upstream_that_is_silent_is_late(stage, raw_request, statuses_of, eventually):
    ended = []

    def wait(conversation):
        conversation.head()
        ended.append(conversation.wait_for_end())

    answer = raw_request(stage.relay(stage.raw(wait).port, limits=SHORT), one("/"))
    assert statuses_of(answer) == [504]
    eventually(lambda: ended)


def test_a_client_that_does_not_send_its_body_is_late(stage, raw_request, statuses_of):
    def wait(conversation):
        conversation.head()
        conversation.wait_for_end()

    upstream = stage.raw(wait)
    request = get("/", b"Content-Length: 5", method="POST", body=b"he")
    assert statuses_of(raw_request(stage.relay(upstream.port, limits=SHORT), request)) == [408]


def test_a_slow_body_is_not_late_as_long_as_it_comes(stage):
    upstream = stage.raw(echo)
    port = stage.relay(upstream.port, limits=SHORT)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(one("/", b"Content-Length: 5", method="POST"))
        for letter in b"hello":
            time.sleep(0.2)
            client.sendall(bytes([letter]))
        assert client.recv(1024).endswith(b"hello")


CUT = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart", b"part"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", b"part"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nxyz\r\n", b"part"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nffffffffffffffffff\r\n", b"part"),
]


@pytest.mark.parametrize(("answer", "part"), CUT, ids=lambda value: repr(value[-24:]))
def test_an_answer_that_breaks_off_never_looks_whole(stage, parser, recorder, answer, part):
    def break_off(conversation):
        conversation.head()
        head, _, rest = answer.partition(b"\r\n\r\n")
        conversation.send(head + b"\r\n\r\n")
        # What is broken in the same segment as the head is found before anything is passed on.
        assert passed_on.wait(5)
        conversation.send(rest)

    passed_on = threading.Event()
    upstream = stage.raw(break_off)
    app = recorder(Relay(Upstreams(Upstream.of(f"http://127.0.0.1:{upstream.port}"))))
    port = stage.serve(app, http=parser)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as client:
        client.request("GET", "/")
        response = client.getresponse()
        passed_on.set()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)) as broken:
            response.read()
    if isinstance(broken.value, http.client.IncompleteRead):
        assert broken.value.partial in (part, b"")
    assert [type(error) for error in app.errors] == [BrokenAnswerError]


@pytest.mark.parametrize("kind", ["upstream", "client"])
def test_a_body_that_does_not_go_on_is_cut(stage, recorder, eventually, kind):
    ended = []

    def stop(conversation):
        conversation.head()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\npart" % SIZE)
        while kind == "client" and not ended:
            try:
                conversation.send(b"x" * (1 << 16))
            except OSError:
                break
        ended.append(conversation.wait_for_end())

    upstream = stage.raw(stop)
    app = recorder(Relay(Upstreams(Upstream.of(f"http://127.0.0.1:{upstream.port}")), limits=SHORT))
    port = stage.serve(app)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(get("/"))
        eventually(lambda: ended and app.errors)
    assert isinstance(app.errors[0], BrokenAnswerError)
    assert kind in str(app.errors[0])


@pytest.mark.parametrize("moment", ["before the answer", "in the middle", "in its own body"])
def test_a_client_that_goes_away_ends_the_request_of_the_upstream(stage, parser, recorder, eventually, moment):
    begun, ended = threading.Event(), []

    def handle(conversation):
        conversation.head()
        if moment == "in the middle":
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        if moment == "in its own body":
            conversation.read(2)
        begun.set()
        ended.append(conversation.wait_for_end())

    upstream = stage.raw(handle)
    app = recorder(Relay(Upstreams(Upstream.of(f"http://127.0.0.1:{upstream.port}"))))
    port = stage.serve(app, http=parser)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        fields = [b"Content-Length: 5"] if moment == "in its own body" else []
        client.sendall(get("/", *fields, method="POST", body=b"he" if fields else b""))
        assert begun.wait(5)
    eventually(lambda: ended)
    assert app.errors == []


def test_too_many_at_once_are_told_to_come_again(stage, raw_request):
    go_on = threading.Event()

    def wait(conversation):
        conversation.head()
        go_on.wait(5)
        conversation.send(OK)

    upstream = stage.raw(wait)
    port = stage.relay(upstream.port, ceilings=Ceilings(exchanges=1, patience=0.2))
    first = threading.Thread(target=raw_request, args=(port, one("/")))
    first.start()
    while not upstream.heard:
        time.sleep(0.01)
    status, headers, _ = split(raw_request(port, one("/")))
    go_on.set()
    first.join()
    assert status == 503
    assert b"retry-after" in dict(headers)
    assert split(raw_request(port, one("/")))[0] == 200


def test_an_upstream_that_leads_back_here_is_told_so(stage, raw_request, statuses_of):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    stage.serve(Relay(Upstreams(Upstream.of(f"http://127.0.0.1:{port}"))), listener)
    assert statuses_of(raw_request(port, one("/"))) == [508]


# Where upstreams are


def test_each_host_has_its_own_upstream(stage, raw_request, answer_with, statuses_of):
    blog, shop = stage.raw(answer_with(OK)), stage.raw(answer_with(OK))
    by_host = {
        "site.example": Upstream.of(f"http://127.0.0.1:{blog.port}"),
        "*.shop.example": Upstream.of(f"http://127.0.0.1:{shop.port}"),
    }
    port = stage.relay(Upstreams(None, by_host))
    hosts = (b"site.example", b"SITE.example:80", b"a.shop.example", b"other.example")
    came = [
        statuses_of(raw_request(port, b"GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % h)) for h in hosts
    ]
    assert came == [[200], [200], [200], [421]]
    assert (len(blog.heard), len(shop.heard)) == (2, 1)
    assert b"host: SITE.example:80" in blog.heard[1]


def test_an_upstream_may_listen_on_a_unix_socket(stage, raw_request, tmp_path):
    path = tmp_path / "app.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    stage.serve(quiet_lifespan(hello), listener)
    assert split(raw_request(stage.relay(f"unix:{path}"), one("/")))[2] == b"hello"


def test_an_upstream_may_listen_on_ipv6(stage, raw_request):
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind(("::1", 0))
    except OSError:
        listener.close()
        pytest.skip("this machine has no IPv6")
    listener.listen()
    stage.serve(quiet_lifespan(hello), listener)
    port = listener.getsockname()[1]
    assert split(raw_request(stage.relay(f"http://[::1]:{port}"), one("/")))[2] == b"hello"


def test_an_https_upstream_is_asked_by_its_name_and_verified(stage, raw_request, statuses_of, certificate):
    cert, key = certificate
    port = stage.serve(quiet_lifespan(hello), ssl_certfile=str(cert), ssl_keyfile=str(key))
    trusting = ssl.create_default_context(cafile=str(cert))
    answer = raw_request(stage.relay(f"https://localhost:{port}", tls=trusting), one("/"))
    assert split(answer)[2] == b"hello"
    # By another name, and by those who do not know its authority, it is not believed.
    assert statuses_of(raw_request(stage.relay(f"https://127.0.0.1:{port}", tls=trusting), one("/"))) == [502]
    assert statuses_of(raw_request(stage.relay(f"https://localhost:{port}"), one("/"))) == [502]


def test_a_plain_web_server_behind_it(stage, tmp_path, eventually):
    site = tmp_path / "site"
    site.mkdir()
    (site / "page.html").write_text("<p>a page of files</p>")
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with subprocess.Popen(command, cwd=site, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: is_open(port))
            guarded = stage.guarded(port)
            with httpx.Client(base_url=f"http://127.0.0.1:{guarded}", trust_env=False) as client:
                curl = {"user-agent": "curl/8.11.0"}
                assert client.get("/page.html", headers=curl).text == "<p>a page of files</p>"
                assert client.get("/missing", headers=curl).status_code == 404
                assert client.get("/page.html", headers={"user-agent": "GPTBot/1.2"}).status_code == 403
                assert "User-agent: GPTBot" in client.get("/robots.txt", headers=curl).text
        finally:
            process.terminate()


def is_open(port):
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# As an ASGI app


def test_a_scope_without_a_raw_path_is_relayed_too(stage, answer_with):
    upstream = stage.raw(answer_with(OK))
    relay = Relay(Upstreams(Upstream.of(f"http://127.0.0.1:{upstream.port}")))
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    async def main():
        scope = {"type": "http", "method": "GET", "path": "/ä b", "query_string": b"x=1", "headers": []}
        await relay(scope, receive, send)
        await close(relay)

    asyncio.run(main())
    assert sent[0]["status"] == 200
    assert upstream.heard[0].startswith(b"GET /%C3%A4%20b?x=1 HTTP/1.1")


async def close(relay):
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        pass

    await relay({"type": "lifespan"}, receive, send)


def test_another_kind_of_scope_is_refused():
    relay = Relay(Upstreams(Upstream.of("http://127.0.0.1:1")))
    with pytest.raises(NotImplementedError):
        asyncio.run(relay({"type": "email"}, None, None))
