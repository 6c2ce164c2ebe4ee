"""Thousands of requests that are nearly right, at once, over connections that are shared behind the proxy.

What the proxy sends upstream is written down octet by octet and read by three parsers: a strict one of ours, h11 and
httptools. Nobody may find another request in it than the others, or than the proxy had in mind.

SCRAPEGUARD_FUZZ is the number of requests for each of uvicorn's parsers; the long run is 10,000.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import h11
import httptools
import pytest
import yaml

from scrapeguard.app import ScrapeGuard
from scrapeguard.proxy.relay import Relay
from scrapeguard.proxy.upstream import Upstream, Upstreams
from scrapeguard.rulefile.load import load_policy

COUNT = int(os.environ.get("SCRAPEGUARD_FUZZ", "1000"))
SEED = 9112
AT_ONCE = 150
SILENCE, LONGEST = 0.4, 20.0
CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "malformed_requests.yaml").read_text("utf-8"))
PIECES = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "fuzzed_pieces.yaml").read_text("utf-8"))


def octets(text):
    return text.encode("latin-1").replace(b"~", b"\r\n")


# What is sent


def built(number, dice):
    """A request of pieces, most of them right; its number stands in it."""

    def piece(kind):
        right, wrong = PIECES[kind]["right"], PIECES[kind]["wrong"]
        return dice.choice(wrong if dice.random() < 0.08 else right)

    fields = [piece("host"), f"X-Number: {number}", "User-Agent: curl/8.11.0"]
    fields += [piece("fields") for _ in range(dice.randint(0, 3))]
    body = piece("body")
    fields += [line.replace("LENGTH", str(len(octets(body)))) for line in piece("framing")]
    if dice.random() < 0.2:
        dice.shuffle(fields)
    end = "~" if dice.random() < 0.95 else dice.choice(["\n", "\r", "\n\r"])
    head = end.join([f"{piece('method')} {piece('target')} {piece('version')}", *fields, "", ""])
    return octets(head + body + piece("rest"))


def mutated(request, dice):
    """A request with octets changed, doubled, dropped or swapped."""
    data = bytearray(request)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        kind = dice.randrange(4)
        if kind == 0:
            data[at] = dice.choice(b'\0\t\n\r ",:;/?#%0123456789aZ\x80\xff')
        elif kind == 1:
            data[at:at] = data[at : at + dice.randint(1, 8)]
        elif kind == 2:
            del data[at : at + dice.randint(1, 4)]
            data = data or bytearray(b"x")
        else:
            other = dice.randrange(len(data))
            data[at], data[other] = data[other], data[at]
    return bytes(data)


def all_requests(dice):
    known = [octets(case["request"]) for cases in CORPUS.values() for case in cases]
    for number in range(COUNT):
        if number % 2:
            yield mutated(dice.choice(known), dice)
        else:
            request = built(number, dice)
            yield request if dice.random() < 0.8 else mutated(request, dice)


# What arrives


class Message(NamedTuple):
    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes


LINE = re.compile(rb"([A-Z][A-Z0-9_-]*) (/[!-\"$-~\x80-\xff]*|\*) HTTP/1\.1")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9a-z-]+): ([^\0-\x08\x0a-\x1f\x7f]*)")
OF_A_CONNECTION = {b"connection", b"upgrade", b"te", b"trailer", b"keep-alive", b"proxy-connection"}


class DesyncError(AssertionError):
    """Octets that are no request by the letter of RFC 9112."""


def first_message(data):
    """The first request in some octets, and how many they are; None where it is not whole."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    line, *lines = head.split(b"\r\n")
    request, fields = LINE.fullmatch(line), [FIELD.fullmatch(field) for field in lines]
    if request is None or None in fields:
        raise DesyncError(head)
    fields = [field.groups() for field in fields]
    names = [name for name, _ in fields]
    framing = [field for field in fields if field[0] in (b"content-length", b"transfer-encoding")]
    if names.count(b"host") != 1 or len(framing) > 1 or OF_A_CONNECTION & set(names):
        raise DesyncError(head)
    body = first_body(rest, framing)
    return None if body is None else (Message(*request.groups(), fields, body[0]), len(head) + 4 + body[1])


def first_body(data, framing):
    """The body at the beginning of some octets, and how many it took; None where it is not whole."""
    if not framing:
        return b"", 0
    [(name, value)] = framing
    if name == b"content-length":
        if not re.fullmatch(rb"[0-9]+", value):
            raise DesyncError(value)
        return (data[: int(value)], int(value)) if len(data) >= int(value) else None
    if value != b"chunked":
        raise DesyncError(value)
    return chunks(data)


CHUNK_SIZE = re.compile(rb"([0-9a-f]+)\r\n")


def chunks(data):
    """The chunked body at the beginning of some octets, without trailers, and how many it took."""
    body, at = b"", 0
    while size := CHUNK_SIZE.match(data, at):
        start, length = size.end(), int(size[1], 16)
        at = start + length + 2
        if len(data) < at:
            return None
        if data[start + length : at] != b"\r\n":
            raise DesyncError(data[start:])
        body += data[start : start + length]
        if not length:
            return body, at
    if b"\n" in data[at:]:
        raise DesyncError(data[at:])
    return None


class Ear:
    """An upstream that answers every request with its own target, and keeps all octets."""

    def __init__(self):
        self.streams = []
        self.messages = []
        self.errors = []
        self._lock = threading.Lock()

    def __call__(self, conversation):
        stream, at = bytearray(), 0
        self.streams.append(stream)
        while data := conversation.connection.recv(65536):
            stream += data
            try:
                while found := first_message(bytes(stream[at:])):
                    message, size = found
                    at += size
                    with self._lock:
                        self.messages.append(message)
                    conversation.send(self.answer(message))
            except DesyncError as error:
                self.errors.append(error)
                return

    @staticmethod
    def answer(message):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(message.target)
        return head if message.method == b"HEAD" else head + message.target

    def numbers(self):
        with self._lock:
            return {dict(message.fields).get(b"x-number") for message in self.messages}


def read_by_h11(stream):
    """The whole requests of a stream, as h11 reads them."""
    connection, messages, body = h11.Connection(h11.SERVER), [], b""
    connection.receive_data(stream)
    request = None
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            fields = [(bytes(name), bytes(value)) for name, value in request.headers]
            messages.append(Message(bytes(request.method), bytes(request.target), fields, body))
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
        else:
            return messages


class _Reader:
    def __init__(self):
        self.messages = []
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self):
        self.url, self.fields, self.body = b"", [], b""

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.fields.append((name, value))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.messages.append(Message(self.parser.get_method(), self.url, self.fields, self.body))


def read_by_httptools(stream):
    """The whole requests of a stream, as httptools reads them; None where it does not know a method."""
    reader = _Reader()
    try:
        reader.parser.feed_data(stream)
    except httptools.HttpParserInvalidMethodError:
        return None
    return reader.messages


def read_by_us(stream):
    messages, at = [], 0
    while found := first_message(stream[at:]):
        messages.append(found[0])
        at += found[1]
    return messages


# The run


async def converse(port, request, ear, number):
    """What comes back until the server ends the connection, or falls silent with nothing left to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer, silences = b"", 0
    with suppress(ConnectionError):
        while True:
            try:
                part = await asyncio.wait_for(reader.read(65536), SILENCE)
            except TimeoutError:
                silences += 1
                if answer or silences * SILENCE > LONGEST:
                    break
                # However busy this machine is: what came before this one has been read when this one is answered.
                assert await canary(port, number)
                if silences > 1 and b"%d" % number not in ear.numbers():
                    break
                continue
            if not part:
                break
            answer += part
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def canary(port, number):
    """A good request amidst the others must get its own answer."""
    target = b"/canary/%d" % number
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %b HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nConnection: close\r\n\r\n" % target)
    answer = await asyncio.wait_for(reader.read(-1), LONGEST)
    writer.close()
    return answer.endswith(b"\r\n\r\n" + target)


async def run(port, requests, ear):
    """All answers, and the canaries that got none of their own."""
    turn = asyncio.Semaphore(AT_ONCE)
    lost = []

    async def one(number, request):
        async with turn:
            if not number % 10 and not await canary(port, number):
                lost.append(number)
            return await converse(port, request, ear, number)

    return await asyncio.gather(*(one(number, request) for number, request in enumerate(requests))), lost


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_nothing_that_is_nearly_right_is_read_in_two_ways(stage, recorder, tmp_path, parser, statuses_of):
    ear = Ear()
    upstream = Upstreams(Upstream.of(f"http://127.0.0.1:{stage.raw(ear).port}"))
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nextends: default\nverification: {dns: off, refresh: off}\nevents: {log: off}\n")
    app = recorder(ScrapeGuard(Relay(upstream), load_policy(rules)))
    port = stage.serve(app, http=parser)
    requests = list(all_requests(random.Random(f"{SEED} {parser}")))
    answers, lost = asyncio.run(run(port, requests, ear))

    assert ear.errors == []
    assert lost == []
    # uvicorn under h11 lets the app answer a request whose body it has just refused.
    assert [error for error in app.errors if not isinstance(error, h11.LocalProtocolError)] == []
    for request, answer in zip(requests, answers, strict=True):
        assert not [status for status in statuses_of(answer) if status >= 500], (request, answer)
    # Whatever got through was answered.
    got_through = ear.numbers()
    unanswered = [n for n, answer in enumerate(answers) if b"%d" % n in got_through and not answer]
    assert [requests[n] for n in unanswered] == []
    # The upstream saw what the proxy had in mind, and nothing twice.
    meant = Counter((scope["method"].encode(), target_of(scope)) for scope in app.scopes if scope["type"] == "http")
    seen = Counter((message.method, message.target) for message in ear.messages)
    assert seen - meant == Counter()
    assert seen.total() > COUNT // 4
    for stream in filter(None, ear.streams):
        # h11 knows no octets past ASCII in a target.
        plain = bytes(octet if octet < 128 else ord("x") for octet in stream)
        by_httptools = read_by_httptools(plain)
        assert read_by_us(plain) == read_by_h11(plain)
        assert by_httptools is None or by_httptools == read_by_us(plain)


def target_of(scope):
    raw, query = scope["raw_path"].partition(b"?")[0], scope["query_string"]
    return b"%b?%b" % (raw, query) if query else raw
