"""Where upstreams may be, and the relay as an ASGI app."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from scrapeguard.proxy.relay import Relay
from scrapeguard.proxy.upstream import Upstream, Upstreams

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


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


def test_an_upstream_may_listen_on_a_unix_socket(stage, raw_request, tmp_path, one, split, hello, quiet_lifespan):
    path = tmp_path / "app.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    stage.serve(quiet_lifespan(hello), listener)
    assert split(raw_request(stage.relay(f"unix:{path}"), one("/")))[2] == b"hello"


def test_an_upstream_may_listen_on_ipv6(stage, raw_request, one, split, hello, quiet_lifespan):
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


def test_an_https_upstream_is_asked_by_its_name_and_verified(
    stage, raw_request, statuses_of, certificate, one, split, hello, quiet_lifespan
):
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
