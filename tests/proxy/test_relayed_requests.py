"""What an upstream sees of a request, between a real client and real upstreams."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


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
def test_the_target_arrives_octet_for_octet(stage, parser, raw_request, answer_with, statuses_of, target, one):
    upstream = stage.raw(answer_with(OK))
    answer = raw_request(stage.relay(upstream.port, http=parser), one(target))
    assert statuses_of(answer) == [200]
    # ASGI does not tell an empty query from none.
    expected = target.removesuffix("?") if target == "/q?" else target
    assert upstream.heard[0].split(b"\r\n")[0] == b"GET %b HTTP/1.1" % expected.encode()


def test_the_fields_arrive_octet_for_octet(stage, parser, raw_request, answer_with, one):
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


def test_nothing_is_added_that_the_client_did_not_ask_for(stage, raw_request, answer_with, one):
    upstream = stage.raw(answer_with(OK))
    raw_request(stage.relay(upstream.port), one("/", b"Content-Length: 0", method="POST"))
    names = {line.partition(b":")[0].lower() for line in upstream.heard[0].split(b"\r\n")[1:]}
    assert names == {
        b"host",
        b"via",
        b"content-length",
        *(b"x-forwarded-" + kind for kind in (b"for", b"proto", b"host")),
    }


def test_fields_of_the_connection_stay_here(stage, parser, raw_request, answer_with, get):
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
def test_the_method_arrives(stage, raw_request, answer_with, method, one):
    upstream = stage.raw(answer_with(OK))
    raw_request(stage.relay(upstream.port), one("/", method=method))
    assert upstream.heard[0].startswith(method.encode() + b" / ")


def test_an_options_of_the_whole_server_arrives(stage, raw_request, answer_with, statuses_of, one):
    upstream = stage.raw(answer_with(OK))
    # httptools takes no asterisk: the other parser has to show it.
    assert statuses_of(raw_request(stage.relay(upstream.port, http="h11"), one("*", method="OPTIONS"))) == [200]
    assert upstream.heard[0].startswith(b"OPTIONS * HTTP/1.1")


def test_a_request_without_host_gets_that_of_the_upstream(stage, raw_request, answer_with):
    upstream = stage.raw(answer_with(OK))
    raw_request(stage.relay(upstream.port), b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nhost: 127.0.0.1:%d\r\n" % upstream.port in upstream.heard[0].lower()


BODY = bytes(range(256)) * 40


def test_a_body_of_known_length_arrives(stage, parser, raw_request, one, split, echo):
    upstream = stage.raw(echo)
    length = b"Content-Length: %d" % len(BODY)
    answer = raw_request(stage.relay(upstream.port, http=parser), one("/", length, method="POST", body=BODY))
    assert split(answer)[2] == BODY
    assert b"transfer-encoding" not in upstream.heard[0].lower()


@pytest.mark.parametrize(("method", "told"), [("POST", True), ("PUT", True), ("DELETE", False), ("PROPFIND", False)])
def test_that_there_is_no_body_is_told_where_one_could_be_meant(stage, raw_request, one, answer_with, method, told):
    upstream = stage.raw(answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    raw_request(stage.relay(upstream.port), one("/", method=method))
    assert (b"content-length: 0" in upstream.heard[0].lower()) is told


def test_a_chunked_body_arrives_without_its_trailers(stage, parser, raw_request, one, split, echo):
    upstream = stage.raw(echo)
    chunks = b"5;ext=1\r\nhello\r\n%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY)
    fields = [b"Transfer-Encoding: chunked", b"Trailer: X-Trailer"]
    answer = raw_request(stage.relay(upstream.port, http=parser), one("/", *fields, method="POST", body=chunks))
    assert split(answer)[2] == b"hello" + BODY
    assert b"content-length" not in upstream.heard[0].lower()
    assert b"trailer" not in upstream.heard[0].lower()


def test_a_body_is_asked_for_only_once_the_upstream_is_there(stage, parser, one, echo):
    upstream = stage.raw(echo)
    port = stage.relay(upstream.port, http=parser)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(one("/", b"Content-Length: 5", b"Expect: 100-continue", method="PUT"))
        assert client.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert client.recv(1024).endswith(b"hello")
    assert b"expect" not in upstream.heard[0].lower()


def test_nobody_asks_for_a_body_that_has_nowhere_to_go(stage, raw_request, statuses_of, one):
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    request = one("/", b"Content-Length: 5", b"Expect: 100-continue", method="PUT")
    assert statuses_of(raw_request(stage.relay(port), request)) == [502]


def test_an_answer_may_come_before_the_body_is_sent(stage, raw_request, statuses_of, get):
    def refuse(conversation):
        conversation.head()
        conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
        conversation.wait_for_end()

    upstream = stage.raw(refuse)
    port = stage.relay(upstream.port)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(get("/", b"Content-Length: 1000000", method="POST", body=b"x" * 1000))
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")
