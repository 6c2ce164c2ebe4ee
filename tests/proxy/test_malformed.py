"""Malformed requests, and those that smuggle another one in: what an upstream sees of them, and what we answer."""

from __future__ import annotations

import re
import socket
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
