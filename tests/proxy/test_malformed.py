"""Malformed requests, and those that smuggle another one in: what an upstream sees of them, and what we answer."""

from __future__ import annotations

import random
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "malformed_requests.yaml").read_text("utf-8"))
CASES = [pytest.param(case, id=f"{group}: {case['name']}") for group, cases in CORPUS.items() for case in cases]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SILENCE = 0.5


def octets(text):
    return text.encode("latin-1").replace(b"~", b"\r\n")


def swallow(heard):
    """An upstream that takes a request, its body too, and answers it, as often as one comes."""

    def handle(conversation):
        while (head := conversation.head()) is not None:
            heard.append(head)
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            if length:
                conversation.read(int(length[1]))
            elif b"chunked" in head.lower():
                while (line := read_line(conversation)) not in (b"0\r\n", b""):
                    conversation.read(int(line, 16) + 2)
                conversation.read(2)
            conversation.send(OK)

    return handle


def read_line(conversation):
    line = b""
    while not line.endswith(b"\r\n"):
        octet = conversation.read(1)
        if not octet:
            return b""
        line += octet
    return line


def converse(port, request):
    """What comes back until the server ends the connection or falls silent, and whether it ended it."""
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(request)
        client.settimeout(SILENCE)
        answer = b""
        with suppress(TimeoutError, ConnectionResetError):
            while part := client.recv(65536):
                answer += part
            return answer, True
        return answer, False


@pytest.fixture(scope="module", params=["httptools", "h11"])
def relay(request, tmp_path_factory):
    from contextlib import ExitStack

    conftest = request.config.pluginmanager.getplugin(str(Path(__file__).with_name("conftest.py")))
    heard = []
    with ExitStack() as stack:
        stage = conftest.Stage(stack, tmp_path_factory.mktemp("rules"))
        upstream = stage.raw(swallow(heard))
        yield stage.guarded(upstream.port, http=request.param), heard


@pytest.mark.parametrize("case", CASES)
def test_nothing_reaches_the_upstream_that_could_be_read_in_two_ways(relay, case, statuses_of):
    port, heard = relay
    heard.clear()
    answer, ended = converse(port, octets(case["request"]))
    assert not [status for status in statuses_of(answer) if status >= 500]
    assert answer or ended or case.get("waits"), "it hangs"
    lines = [head.split(b"\r\n")[0] for head in heard]
    assert [line for line in lines if line not in map(octets, case.get("reach", []))] == []
    assert len(lines) <= len(case.get("reach", []))
    for text in case.get("never", []):
        assert octets(text).lower() not in b"\n".join(heard).lower().replace(b"via: 1.1 scrapeguard", b"")


@pytest.mark.parametrize("case", CASES)
def test_who_sends_it_octet_by_octet_gets_no_further(relay, case, statuses_of):
    port, heard = relay
    heard.clear()
    with socket.create_connection(("127.0.0.1", port), 5) as client, suppress(OSError):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in octets(case["request"]):
            client.sendall(bytes([octet]))
        client.settimeout(SILENCE / 2)
        client.recv(65536)
    lines = {head.split(b"\r\n")[0] for head in heard}
    assert lines <= set(map(octets, case.get("reach", [])))


MUTATIONS = 2000


def test_mutations_end_no_worse(relay, statuses_of):
    """Requests of the corpus with octets changed, doubled, dropped or swapped: no 5xx of ours, nothing smuggled."""
    port, heard = relay
    heard.clear()
    dice = random.Random(9112)
    requests = [octets(case.values[0]["request"]) for case in CASES]
    sent = [mutated(dice.choice(requests), dice) for _ in range(MUTATIONS)]
    with ThreadPoolExecutor(64) as pool:
        for request, (answer, _) in zip(sent, pool.map(lambda request: converse(port, request), sent), strict=True):
            assert not [status for status in statuses_of(answer) if status >= 500], (request, answer)
    assert len(heard) > MUTATIONS // 20
    for head in heard:
        assert well_formed(head), head


def mutated(request, dice):
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


def well_formed(head):
    """Whether a head can be read in one way only, by the grammar of RFC 9112."""
    line, *fields = head.split(b"\r\n")
    names = [field.partition(b":")[0].lower() for field in fields]
    return (
        re.fullmatch(rb"[A-Z][A-Z0-9_-]* (?:/[!-\"$-~\x80-\xff]*|\*) HTTP/1\.1", line) is not None
        and all(re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[^\0\r\n]*", field) for field in fields)
        and names.count(b"host") == 1
        and names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
        and not set(names) & {b"connection", b"upgrade", b"te", b"trailer", b"keep-alive"}
    )
