"""What becomes of an exchange in which one side fails, is late or goes away."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import closing

import pytest

from scrapeguard.proxy.exchange import Limits
from scrapeguard.proxy.relay import Ceilings, Relay
from scrapeguard.proxy.upstream import Upstream, Upstreams
from scrapeguard.proxy.upstreamanswer import BrokenAnswerError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHORT = Limits(head=0.4, idle=0.4, client=0.4)
SIZE = 64 << 20


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
        b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 18) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Half: ",
    ],
    ids=lambda answer: repr(answer[:45]),
)
def test_what_is_no_answer_is_a_bad_gateway(stage, parser, raw_request, answer, one, split):
    upstream = stage.raw(one_answer(answer))
    status, headers, body = split(raw_request(stage.relay(upstream.port, http=parser), one("/")))
    assert status == 502
    assert (b"cache-control", b"private, no-store") in headers
    assert b"502 Bad Gateway" in body


def test_an_upstream_that_is_not_there_is_a_bad_gateway_and_comes_back(
    stage, raw_request, statuses_of, caplog, one, hello, quiet_lifespan
):
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


def test_an_upstream_that_restarts_is_asked_anew_where_asking_twice_does_no_harm(stage, raw_request, statuses_of, one):
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


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_upstream_that_hangs_up_on_a_new_connection_is_not_asked_again(stage, raw_request, statuses_of, one, method):
    upstream = stage.raw(lambda conversation: conversation.head())
    assert statuses_of(raw_request(stage.relay(upstream.port), one("/", method=method))) == [502]
    assert (upstream.connections, len(upstream.heard)) == (1, 1)


def test_a_body_is_never_sent_twice(stage, raw_request, statuses_of, one):
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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_an_upstream_says_unasked_answers_nobody(stage, raw_request, split, one, eventually, method):
    """Such as the body of an answer to HEAD, in which stands what looks like an answer to whoever asks next."""
    said = threading.Event()

    def say_more(conversation):
        if conversation.head() is not None:
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"ok" if method == "GET" else b""))
            time.sleep(0.2)
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            said.set()
            conversation.head()

    upstream = stage.raw(say_more)
    port = stage.relay(upstream.port)
    for _ in range(2):
        said.clear()
        assert split(raw_request(port, one("/", method=method)))[2] == (b"ok" if method == "GET" else b"")
        assert said.wait(5)
        time.sleep(0.1)
    assert upstream.connections == 2


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("DELETE", 204)])
@pytest.mark.parametrize("before", [b"", EARLY], ids=["", "early hints"])
@pytest.mark.parametrize("body", [b"ok", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"], ids=["body", "answer"])
def test_a_body_right_after_an_answer_that_has_none_is_left_out(
    stage, raw_request, split, one, parser, before, body, method, status
):
    answer = before + b"HTTP/1.1 %d OK\r\nX-It: is\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body

    def with_body(conversation):
        while conversation.head() is not None:
            conversation.send(answer)

    upstream = stage.raw(with_body)
    port = stage.relay(upstream.port, http=parser)
    for asked in (1, 2):
        came, headers, rest = split(raw_request(port, one("/", method=method)))
        assert (came, dict(headers)[b"x-it"], rest) == (status, b"is", b"")
        assert (upstream.connections, len(upstream.heard)) == (asked, asked)


@pytest.mark.parametrize("cut", [1, 11, len(EARLY), len(EARLY) + 3, len(EARLY) + 30])
def test_an_answer_after_early_hints_is_whole_wherever_its_segments_end(stage, raw_request, split, one, cut):
    answer = EARLY + b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 10\r\n\r\nHTTP/1.1 2"

    def in_two(conversation):
        while conversation.head() is not None:
            conversation.send(answer[:cut])
            time.sleep(0.02)
            conversation.send(answer[cut:])

    upstream = stage.raw(in_two)
    port = stage.relay(upstream.port)
    for _ in range(2):
        assert split(raw_request(port, one("/")))[2] == b"HTTP/1.1 2"
    assert upstream.connections == 1


def test_the_answer_to_head_may_come_in_pieces_and_its_connection_is_kept(stage, raw_request, split, one):
    def in_pieces(conversation):
        while conversation.head() is not None:
            for octet in b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\n":
                conversation.send(bytes([octet]))
                time.sleep(0.001)

    upstream = stage.raw(in_pieces)
    port = stage.relay(upstream.port)
    for _ in range(3):
        status, headers, _ = split(raw_request(port, one("/", method="HEAD")))
        assert (status, dict(headers)[b"x"]) == (200, b"y")
    assert split(raw_request(port, one("/", method="HEAD")))[0] == 200
    assert upstream.connections == 1


def test_an_upstream_that_ends_in_its_answer_to_head_is_a_bad_gateway(stage, raw_request, statuses_of, one):
    upstream = stage.raw(one_answer(b"HTTP/1.1 200 OK\r\nX: "))
    assert statuses_of(raw_request(stage.relay(upstream.port), one("/", method="HEAD"))) == [502]


def test_an_upstream_that_is_silent_is_late(stage, raw_request, statuses_of, eventually, one):
    ended = []

    def wait(conversation):
        conversation.head()
        ended.append(conversation.wait_for_end())

    answer = raw_request(stage.relay(stage.raw(wait).port, limits=SHORT), one("/"))
    assert statuses_of(answer) == [504]
    eventually(lambda: ended)


def test_a_client_that_does_not_send_its_body_is_late(stage, raw_request, statuses_of, get):
    def wait(conversation):
        conversation.head()
        conversation.wait_for_end()

    upstream = stage.raw(wait)
    request = get("/", b"Content-Length: 5", method="POST", body=b"he")
    assert statuses_of(raw_request(stage.relay(upstream.port, limits=SHORT), request)) == [408]


def test_a_slow_body_is_not_late_as_long_as_it_comes(stage, one, echo):
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
def test_a_body_that_does_not_go_on_is_cut(stage, recorder, eventually, kind, get):
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
def test_a_client_that_goes_away_ends_the_request_of_the_upstream(stage, parser, recorder, eventually, moment, get):
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


def test_too_many_at_once_are_told_to_come_again(stage, raw_request, one, split):
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


def test_an_upstream_that_leads_back_here_is_told_so(stage, raw_request, statuses_of, one):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    stage.serve(Relay(Upstreams(Upstream.of(f"http://127.0.0.1:{port}"))), listener)
    assert statuses_of(raw_request(port, one("/"))) == [508]
