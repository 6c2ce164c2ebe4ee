"""What can happen to a server: it is killed, emptied, holds what is not ours, is none at all, or wants a password."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import scrapeguard
from scrapeguard.stores.port import MAX_BATCH, StoreError
from scrapeguard.stores.valkey import ValkeyStore

ROOT = Path(scrapeguard.__file__).parents[1]
STREAM = "scrapeguard:batches"
SECRET = "hunter2-of-the-store"


async def got(store, body=None):
    return [batch.body for batch in await store.exchange(body)]


@asynccontextmanager
async def stores(url, number=2, **options):
    opened = [ValkeyStore(url, timeout=5.0, **options) for _ in range(number)]
    try:
        yield opened
    finally:
        for store in opened:
            await store.close()


def milliseconds(ago=0.0):
    return int((time.time() - ago) * 1000)


async def test_a_server_that_dies_is_an_error_and_when_it_is_back_all_meet_again(own_server):
    own_server.start()
    async with stores(own_server.url) as (ada, ben):
        await ada.exchange(b"1")
        assert await got(ben) == [b"1"]
        own_server.kill()
        for store in (ada, ben, ada):
            with pytest.raises(StoreError, match=f"^store valkey://127.0.0.1:{own_server.port}/0: "):
                await store.exchange(b"2")
        own_server.start()
        await ada.exchange(b"3")
        assert await got(ben) == [b"3"]


async def test_a_server_that_is_killed_in_the_middle_loses_nobody_for_good(own_server):
    own_server.start()
    async with stores(own_server.url) as (ada, ben):
        bodies, errors = [], 0

        async def hand_in():
            nonlocal errors
            for number in range(400):
                try:
                    await ada.exchange(b"%d" % number)
                except StoreError:
                    errors += 1
                    await asyncio.sleep(0.01)

        task = asyncio.create_task(hand_in())
        await asyncio.sleep(0.05)
        own_server.kill()
        await asyncio.sleep(0.05)
        own_server.start()
        await task
        await ada.exchange(b"last")
        bodies = await got(ben)
        assert errors > 0
        assert bodies[-1] == b"last"
        assert len(set(bodies)) == len(bodies)


async def test_an_emptied_server_is_read_from_its_start(server):
    async with stores(server.url) as (ada, ben):
        with server.client() as client:
            await ada.exchange(b"1")
            # The clock of the server before it was emptied went ahead.
            client.xadd(STREAM, {"w": b"x", "t": 200, "b": b"2"}, id=f"{milliseconds(-1800)}-5")
            assert await got(ben) == [b"1", b"2"]
            client.flushall()
            await ada.exchange(b"3")
            client.xadd(STREAM, {"w": b"x", "t": 300, "b": b"4"}, id=f"{milliseconds(-3600)}-5")
            assert await got(ben) == [b"3", b"4"]
            assert await got(ben) == []


async def test_a_stream_that_ends_before_what_was_read_is_read_from_its_start(server):
    async with stores(server.url) as (ada, ben):
        with server.client() as client:
            client.xadd(STREAM, {"w": b"x", "t": 200, "b": b"1"}, id=f"{milliseconds(-1800)}-5")
            assert await got(ben) == [b"1"]
            client.delete(STREAM)
            await ada.exchange(b"2")
            assert await got(ben) == [b"2"]
            assert await got(ben) == []


async def test_who_was_away_for_long_gets_what_is_kept(server):
    async with stores(server.url) as (ada, ben):
        with server.client() as client:
            for ago in (3605, 3500):
                client.xadd(STREAM, {"w": b"x", "t": 200, "b": b"%d" % ago}, id=f"{milliseconds(ago)}-5")
            assert await got(ada) == [b"3500"]
            ada._position = ada._position._replace(id=b"%d-0" % milliseconds(7200))
            assert await got(ada) == [b"3500"]
            assert await got(ben) == [b"3500"]


async def test_what_nobody_uses_any_more_goes_by_itself(server):
    async with stores(server.url) as (ada, _):
        await ada.exchange(b"1")
        with server.client() as client:
            assert 3_590_000 < client.pttl(STREAM) <= 3_600_000


async def test_many_small_batches_come_in_order_over_several_steps(server):
    async with stores(server.url) as (ada, ben):
        bodies = [b"%d" % number for number in range(100)]
        for body in bodies:
            await ada.exchange(body)
        assert await got(ben, b"own") == bodies
        assert await got(ada) == [b"own"]


async def test_entries_that_are_not_ours_are_passed_over_and_go_when_there_is_no_room(server):
    async with stores(server.url) as (ada, ben):
        with server.client() as client:
            for fields in (
                {"x": "y"},
                {"w": b"w", "t": "much", "b": b"x"},
                {"w": b"w", "b": b"x", "t": 3},
                {"w": b"w", "t": 100, "b": b"x" * (MAX_BATCH + 1)},
                {"w": b"w", "t": 100, "b": b"x", "more": b"x"},
            ):
                client.xadd(STREAM, fields)
            assert await got(ben) == []
            await ada.exchange(b"1")
            assert await got(ben) == [b"1"]
            client.xadd(STREAM, {"w": b"w", "t": 10**15, "b": b"far"})
            await ada.exchange(b"2")
            client.xadd(STREAM, {"w": b"w", "t": -5, "b": b"back"})
            await ada.exchange(b"3")
            assert (await got(ben))[-1] == b"3"
            assert [fields[b"b"] for _, fields in client.xrange(STREAM)] == [b"back", b"3"]
            for _ in range(3):
                await ada.exchange(b"4")
            assert await got(ben) == [b"4"] * 3


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (STREAM, "WRONGTYPE|wrong kind"),
        ("scrapeguard:data", "WRONGTYPE|wrong kind"),
    ],
)
async def test_a_key_of_another_kind_is_an_error(server, key, fault):
    async with stores(server.url) as (ada, _):
        with server.client() as client:
            client.delete(key)
            client.sadd(key, "x")
            with pytest.raises(StoreError, match=fault):
                await ada.exchange(b"x")
            client.delete(key)
            await ada.exchange(b"x")


async def test_databases_and_prefixes_are_apart(server):
    async with stores(server.url) as (ada, _), stores(server.url[:-1] + "3") as (ben, _):
        await ada.exchange(b"x")
        assert await got(ben) == []
    async with stores(server.url, prefix="other:") as (cleo, _):
        assert await got(cleo) == []


async def test_a_socket_will_do(server):
    async with stores(f"unix://{server.socket}?db=2") as (ada, ben):
        await ada.exchange(b"x")
        assert await got(ben) == [b"x"]
        assert repr(ada) == f"ValkeyStore('unix://{server.socket}?db=2')"


async def test_a_password_is_given_and_never_shown(own_server):
    own_server.command += ["--requirepass", SECRET]
    own_server.start()
    at = f"127.0.0.1:{own_server.port}/0"
    async with stores(f"valkey://:{SECRET}@{at}") as (ada, ben):
        await ada.exchange(b"x")
        assert await got(ben) == [b"x"]
        assert repr(ada) == f"ValkeyStore('valkey://{at}')"
    async with stores(f"valkey://default:{SECRET}@{at}") as (ada, _):
        assert await got(ada) == [b"x"]
    async with stores(f"redis://ada:wrong{SECRET}@{at}") as (ada, _):
        with pytest.raises(StoreError) as raised:
            await ada.exchange(None)
        assert SECRET not in everything_said(raised.value)
    async with stores(f"redis://{at}") as (ada, _):
        with pytest.raises(StoreError, match=r"[Aa]uthentication"):
            await ada.exchange(None)


async def test_a_user_needs_no_more_rights_than_are_told(own_server):
    own_server.start()
    with own_server.client() as client:
        commands = [
            "+eval",
            "+evalsha",
            "+set",
            "+get",
            "+time",
            "+pexpire",
            "+xadd",
            "+xdel",
            "+xrange",
            "+xrevrange",
            "+xtrim",
        ]
        client.acl_setuser(
            "ada", enabled=True, passwords=["+pass"], keys=["scrapeguard:*"], commands=[*commands, "+select"]
        )
    async with stores(f"valkey://ada:pass@127.0.0.1:{own_server.port}/1") as (ada, ben):
        await ada.exchange(b"x")
        assert await got(ben) == [b"x"]


def everything_said(error):
    """All messages of an error and of those that it came from."""
    said = []
    while error is not None:
        said += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(said)


@asynccontextmanager
async def impostor(answer):
    """Something that listens and does what it wants: no server."""

    async def meet(reader, writer):
        with suppress(ConnectionError):
            await answer(reader, writer)
        writer.close()

    listener = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def test_a_server_that_repeats_the_password_does_not_bring_it_into_the_message():
    async def answer(reader, writer):
        while line := await reader.read(65536):
            writer.write(b"-ERR unknown command, with args " + line.replace(b"\r\n", b" ") + b"\r\n")

    async with impostor(answer) as port:
        store = ValkeyStore(f"valkey://ada:{SECRET}@127.0.0.1:{port}")
        with pytest.raises(StoreError, match="unknown command") as raised:
            await store.exchange(b"x")
        assert SECRET not in everything_said(raised.value)
        await store.close()


async def test_a_server_that_says_nothing_is_an_error():
    async def answer(reader, writer):
        await reader.read()

    async with impostor(answer) as port:
        store = ValkeyStore(f"valkey://127.0.0.1:{port}", timeout=0.1)
        with pytest.raises(StoreError, match=r"[Tt]imeout"):
            await store.exchange(b"x")
        await store.close()


_JUNK = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"*4\r\n", b"*-1\r\n", b"$3\r\nabc\r\n", b"$-1\r\n", b"$99999999\r\n", b":1\r\n", b"+OK\r\n"]),
        st.sampled_from(
            [b"*3\r\n", b"*2\r\n", b"-ERR \xff\r\n", b"*999999999\r\n", b"$-7\r\n", b"$3\r\n1-1\r\n", b"_\r\n"]
        ),
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=_JUNK)
@example(junk=b"HTTP/1.1 400 Bad Request\r\n\r\n")
@example(junk=b"*4\r\n$1\r\nd\r\n$3\r\n1-1\r\n$4\r\nzero\r\n$1\r\nx\r\n")
@example(junk=b"*4\r\n$1\r\nd\r\n$3\r\n1-1\r\n$4000\r\n" + b"9" * 4000 + b"\r\n$1\r\nx\r\n")
@example(junk=b"*4\r\n$1\r\nd\r\n$3\r\n1-1\r\n$400\r\n" + b"9" * 400 + b"\r\n$1\r\nx\r\n")
@example(junk=b"*1\r\n" * 5000)
@example(junk=b"*4\r\n" + b"+OK\r\n" * 2)
def test_what_is_no_server_is_an_error_and_nothing_else(junk):
    async def answer(reader, writer):
        await reader.read(1)
        writer.write(junk)
        await writer.drain()

    async def scenario():
        async with impostor(answer) as port:
            store = ValkeyStore(f"valkey://127.0.0.1:{port}", timeout=5.0)
            with suppress(StoreError):
                assert isinstance(await store.exchange(b"x"), list)
            await store.close()

    asyncio.run(scenario())


_WORKER = """
import asyncio, json, os, sys
from scrapeguard.stores.valkey import ValkeyStore

store = ValkeyStore(sys.argv[1])

async def exchange(body):
    found = [batch.body.decode() for batch in await store.exchange(body)]
    return found

async def main():
    await exchange(b"before")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # As a server does that forks its workers within its loop: the child begins a loop of its own.
        asyncio._set_running_loop(None)
        async def work():
            found = [await exchange(b"of the child"), await exchange(None)]
            await store.close()
            return found
        os.write(writing, json.dumps(asyncio.new_event_loop().run_until_complete(work())).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(json.dumps([await exchange(b"after"), await exchange(None), json.loads(os.read(reading, 10_000))]))
    await store.close()

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_is_a_worker_of_its_own(server):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _WORKER, server.url]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=60, check=True)
    assert json.loads(done.stdout) == [["of the child"], [], [["before"], []]]


async def test_tls_wants_a_certificate_that_is_trusted(server, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    making = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    making = await asyncio.create_subprocess_exec(openssl, *making.split(), *names, stderr=subprocess.DEVNULL)
    assert await asyncio.wait_for(making.wait(), 30) == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def pump(reader, writer):
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                writer.write(part)
        writer.close()

    async def relay(reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with stores(f"rediss://localhost:{port}/0?ca={certificate}") as (ada, ben):
            await ada.exchange(b"x")
            assert await got(ben) == [b"x"]
        for url in (f"valkeys://localhost:{port}", f"valkeys://127.0.0.1:{port}?ca={certificate}"):
            async with stores(url) as (ada, _):
                with pytest.raises(StoreError, match="certificate"):
                    await ada.exchange(b"x")
        async with stores(f"valkeys://localhost:{port}?ca={tmp_path}/missing.pem") as (ada, _):
            with pytest.raises(StoreError, match="No such file"):
                await ada.exchange(b"x")
