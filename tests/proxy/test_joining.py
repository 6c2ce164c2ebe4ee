"""Sending a head with its body: nothing is lost, doubled or put in another order, and nothing waits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.proxy.joining import JoiningTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    """A transport that keeps what is written to it, write by write."""

    def __init__(self):
        self.writes = []
        self.closed = self.aborted = False

    def write(self, data):
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True

    def is_closing(self):
        return self.closed

    def get_extra_info(self, name, default=None):
        return "known" if name == "socket" else default


def run(act):
    """What is on the wire after something was done with a transport, and the loop has come round."""

    async def main():
        wire = Wire()
        await act(JoiningTransport(wire, asyncio.get_running_loop()), wire)
        await asyncio.sleep(0)
        return wire

    return asyncio.run(main())


def test_a_head_and_what_follows_at_once_are_one_write():
    async def act(transport, wire):
        transport.await_head()
        transport.write(HEAD)
        assert wire.writes == []
        transport.write(b"page")
        transport.write(b"more")

    assert run(act).writes == [HEAD + b"page", b"more"]


def test_a_head_whose_body_is_not_there_goes_alone_and_at_once():
    async def act(transport, wire):
        transport.await_head()
        transport.write(HEAD)
        await asyncio.sleep(0)
        assert wire.writes == [HEAD]
        transport.write(b"page")

    assert run(act).writes == [HEAD, b"page"]


def test_a_large_part_is_not_copied():
    async def act(transport, wire):
        transport.await_head()
        transport.write(HEAD)
        transport.write(b"x" * 100_000)

    assert run(act).writes == [HEAD, b"x" * 100_000]


def test_who_closes_loses_nothing_that_was_written():
    async def act(transport, wire):
        transport.await_head()
        transport.write(HEAD)
        transport.close()
        assert transport.is_closing()

    assert run(act).writes == [HEAD]


def test_nothing_is_written_on_a_connection_that_ended_meanwhile():
    async def act(transport, wire):
        transport.await_head()
        transport.write(HEAD)
        wire.closed = True

    assert run(act).writes == []


def test_who_aborts_writes_nothing_more():
    async def act(transport, wire):
        transport.await_head()
        transport.write(HEAD)
        transport.abort()

    wire = run(act)
    assert (wire.writes, wire.aborted) == ([], True)


def test_what_is_known_of_the_connection_is_told():
    async def act(transport, wire):
        assert transport.get_extra_info("socket") == "known"
        assert transport.get_extra_info("peername", 1) == 1

    run(act)


@given(st.lists(st.one_of(st.binary(max_size=8), st.sampled_from(["head", "turn"])), max_size=12))
def test_all_comes_once_and_in_its_order(steps):
    async def act(transport, wire):
        for step in steps:
            if step == "head":
                transport.await_head()
            elif step == "turn":
                await asyncio.sleep(0)
            else:
                transport.write(step)

    assert b"".join(run(act).writes) == b"".join(step for step in steps if isinstance(step, bytes))


def test_what_is_written_on_a_connection_that_has_ended_is_dropped():
    async def act(transport, wire):
        transport.await_head()
        transport.write(HEAD)
        wire.closed = True
        transport.write(b"page")
        transport.write(b"more")

    assert run(act).writes == []


@pytest.mark.parametrize("moment", ["head", "page"])
def test_a_client_sees_a_head_before_its_body_only_where_that_is_late(stage, raw_request, one, moment):
    """Over real connections: a small page comes whole in one piece, and the head of a slow one does not wait for it."""
    import socket
    import threading

    go_on = threading.Event()

    def answer(conversation):
        conversation.head()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + (b"page" if moment == "page" else b""))
        if moment == "head":
            assert go_on.wait(5)
            conversation.send(b"page")

    port = stage.relay(stage.raw(answer).port)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(one("/"))
        first = client.recv(4096)
        assert first.endswith(b"\r\n\r\npage" if moment == "page" else b"\r\n\r\n")
        go_on.set()
        if moment == "head":
            assert client.recv(4096) == b"page"
