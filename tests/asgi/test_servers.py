import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import scrapeguard

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# What Firefox sends beside its name when a person opens a page.
OPENED = {
    "accept-language": "en",
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}
GPTBOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"

HERE = Path(__file__).parent
ROOT = Path(scrapeguard.__file__).parents[1]
TIMEOUT = 5
START_TIMEOUT = 15

COMMANDS = {
    "uvicorn-h11": "uvicorn server_app:app --http h11 --port {port}",
    "uvicorn-httptools": "uvicorn server_app:app --http httptools --port {port}",
    "hypercorn": "hypercorn server_app:app --bind 127.0.0.1:{port}",
    "granian": "granian server_app:app --interface asgi --port {port}",
}
# These say "100 Continue" of their own accord as soon as they have read the head, whatever the app does.
CONTINUES_UNASKED = {"hypercorn"}


class Server(NamedTuple):
    name: str
    port: int
    client: httpx.Client

    def ask(self, path="/", *, agent=BROWSER, method="GET", headers=(), **options):
        sent = {"user-agent": agent, **(OPENED if agent == BROWSER else {}), **dict(headers)}
        return self.client.request(method, path, headers=sent, **options)

    def ask_raw(self, *lines, body=b""):
        """All that comes back until the server closes; the body is sent once the server asks for it."""
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT) as connection:
            connection.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
            answer = connection.recv(65536)
            if statuses(answer) == [100]:
                connection.sendall(body)
            return answer + b"".join(iter(lambda: connection.recv(65536), b""))

    def open_websocket(self, agent):
        address = f"ws://127.0.0.1:{self.port}/ws"
        return connect(address, user_agent_header=agent, open_timeout=TIMEOUT, close_timeout=TIMEOUT, proxy=None)


@pytest.fixture(scope="module", params=COMMANDS)
def server(request, tmp_path_factory):
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", *COMMANDS[request.param].format(port=port).split()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)])}
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT, trust_env=False) as client,
    ):
        try:
            wait_until_ready(process, port, log)
            yield Server(request.param, port, client)
        finally:
            stop(process)
    assert "Traceback" not in log.read_text(), log.read_text()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(process, port, log):
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the server did not start:\n{log.read_text()}")


def stop(process):
    process.terminate()
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()


def statuses(answer):
    return [int(code) for code in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)]


def user_agent(agent):
    return b"User-Agent: " + (agent if isinstance(agent, bytes) else agent.encode())


# What passes


def test_a_browser_gets_the_page(server):
    answer = server.ask()
    assert (answer.status_code, answer.text) == (200, "hello")


def test_a_request_without_user_agent_gets_the_page(server):
    answer = server.ask_raw(b"GET / HTTP/1.1", b"Host: h")
    assert statuses(answer) == [200]
    assert b"hello" in answer


def test_a_streamed_body_arrives_in_order(server):
    with server.client.stream("GET", "/stream", headers={"user-agent": BROWSER, **OPENED}) as answer:
        assert answer.status_code == 200
        assert b"".join(answer.iter_raw()) == b"one two three four five"


def test_an_uploaded_body_reaches_the_app_whole(server):
    assert server.ask("/upload", method="POST", content=b"x" * 300_000).text == "300000"


def test_a_websocket_echoes_for_a_browser(server):
    with server.open_websocket(BROWSER) as websocket:
        for words in ("one", "two"):
            websocket.send(words)
            assert websocket.recv(TIMEOUT) == words


# What is refused


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("*/*", "text/plain"), ("text/html", "text/html"), ("application/json", "application/problem+json")],
)
def test_an_ai_crawler_is_refused_in_the_form_it_asks_for(server, accept, content_type):
    answer = server.ask(agent=GPTBOT, headers={"accept": accept})
    assert answer.status_code == 403
    assert answer.headers["content-type"].partition(";")[0] == content_type
    assert answer.headers["x-scrapeguard-reference"] in answer.text


def test_a_refusal_in_plain_text_names_the_reference_of_the_header(server):
    answer = server.ask(agent=GPTBOT)
    assert f"Reference: {answer.headers['x-scrapeguard-reference']}" in answer.text


def test_a_refusal_in_json_has_the_reference_of_the_header(server):
    answer = server.ask(agent=GPTBOT, headers={"accept": "application/json"})
    assert answer.json()["reference"] == answer.headers["x-scrapeguard-reference"]


@pytest.mark.parametrize(("path", "status"), [("/", 403), ("/robots.txt", 200)])
def test_head_is_answered_with_the_length_of_get_and_no_body(server, path, status):
    answer = server.ask_raw(
        f"HEAD {path} HTTP/1.1".encode(), f"Host: 127.0.0.1:{server.port}".encode(), user_agent(GPTBOT)
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    [length] = re.findall(rb"(?im)^content-length: *(\d+)", head)
    assert (statuses(head), body) == ([status], b"")
    assert int(length) == len(server.ask(path, agent=GPTBOT).content)


def test_a_websocket_is_refused_to_an_ai_crawler_with_403_and_the_reason(server):
    with pytest.raises(InvalidStatus) as refusal, server.open_websocket(GPTBOT):
        pass
    assert refusal.value.response.status_code == 403
    assert b"Reference" in refusal.value.response.body


def upload_when_asked(server, agent, size, body=b""):
    length = b"Content-Length: %d" % size
    head = (b"POST /upload HTTP/1.1", b"Host: h", user_agent(agent), length, b"Expect: 100-continue")
    return server.ask_raw(*head, body=body)


def test_a_body_is_asked_for_when_the_app_reads_it(server):
    answer = upload_when_asked(server, BROWSER, 5, b"12345")
    assert statuses(answer) == [100, 200]


def test_the_body_of_a_refused_request_is_neither_asked_for_nor_awaited(server):
    answer = upload_when_asked(server, GPTBOT, 10_000_000)
    assert statuses(answer) == ([100, 403] if server.name in CONTINUES_UNASKED else [403])


def test_a_refusal_arrives_though_the_body_is_on_its_way(server):
    # On a connection of its own: servers may close one on which they left a body unread (RFC 9112 §9.3).
    headers = {"connection": "close"}
    answer = server.ask("/upload", agent=GPTBOT, method="POST", headers=headers, content=b"x" * 1_000_000)
    assert answer.status_code == 403


# robots.txt


def test_an_ai_crawler_may_read_robots_txt(server):
    answer = server.ask("/robots.txt", agent=GPTBOT)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "User-agent: GPTBot" in answer.text


def test_a_robots_txt_that_is_known_is_not_sent_again(server):
    etag = server.ask("/robots.txt", agent=GPTBOT).headers["etag"]
    answer = server.ask("/robots.txt", agent=GPTBOT, headers={"if-none-match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


# Strange heads


@pytest.mark.parametrize("agent", [BROWSER, GPTBOT], ids=["browser", "gptbot"])
def test_two_host_lines_are_a_bad_request(server, agent):
    assert statuses(server.ask_raw(b"GET / HTTP/1.1", b"Host: a", b"Host: b", user_agent(agent))) == [400]


@pytest.mark.parametrize("agent", [b"x" * 7000, b"\x80\xff"], ids=["long", "binary"])
def test_a_strange_user_agent_gets_the_page(server, agent):
    assert statuses(server.ask_raw(b"GET / HTTP/1.1", b"Host: h", user_agent(agent))) == [200]


@pytest.mark.parametrize(("agent", "allowed"), [(BROWSER, {200, 400}), (GPTBOT, {400, 403})], ids=["browser", "gptbot"])
def test_an_absolute_target_is_no_error_and_no_way_around(server, agent, allowed):
    # Some servers make a path of it, some pass it on as it is.
    usual = (b"Accept-Language: en", b"Accept-Encoding: gzip")
    [status] = statuses(server.ask_raw(b"GET http://h/ HTTP/1.1", b"Host: h", user_agent(agent), *usual))
    assert status in allowed
