"""HTTP libraries, each as a way to ask for one page; their connections are kept as their users keep them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.arena.addresses import HOME
from bench.arena.clients.identities import Headers
from bench.arena.visit import Answer, Asked, Fetch, Visit

_TIMEOUT = 20.0
Opened = Callable[[Visit, Headers], Any]
"""A context manager that gives a way to ask."""

_NODE = Path(__file__).with_name("fetch.mjs")


@contextmanager
def with_requests(visit: Visit, headers: Headers) -> Iterator[Fetch]:
    """requests, with a session."""
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(headers)

        def fetch(asked: Asked) -> Answer:
            answer = session.get(visit.base + asked.path, timeout=_TIMEOUT)
            return Answer(answer.status_code, answer.text)

        yield fetch


@contextmanager
def with_httpx(visit: Visit, headers: Headers) -> Iterator[Fetch]:
    """httpx, with a client for each address."""
    import httpx

    clients: dict[str, httpx.Client] = {}

    def fetch(asked: Asked) -> Answer:
        client = clients.get(asked.address)
        if client is None:
            transport = httpx.HTTPTransport(local_address=asked.address)
            client = httpx.Client(headers=headers, transport=transport, timeout=_TIMEOUT, follow_redirects=True)
            clients[asked.address] = client
        answer = client.get(visit.base + asked.path)
        return Answer(answer.status_code, answer.text)

    try:
        yield fetch
    finally:
        for client in clients.values():
            client.close()


@contextmanager
def with_httpx_rotating(visit: Visit, headers: Headers) -> Iterator[Fetch]:
    """Httpx with other headers of Chrome for each address, kept by that address."""
    import httpx

    from bench.arena.clients.identities import rotating

    clients: dict[str, httpx.Client] = {}

    def fetch(asked: Asked) -> Answer:
        client = clients.get(asked.address)
        if client is None:
            transport = httpx.HTTPTransport(local_address=asked.address)
            own = {**rotating(len(clients)), **headers}
            client = clients[asked.address] = httpx.Client(headers=own, transport=transport, timeout=_TIMEOUT)
        answer = client.get(visit.base + asked.path)
        return Answer(answer.status_code, answer.text)

    try:
        yield fetch
    finally:
        for client in clients.values():
            client.close()


@contextmanager
def with_aiohttp(visit: Visit, headers: Headers) -> Iterator[Fetch]:
    """aiohttp, with a session."""
    import aiohttp

    async def opened() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(local_addr=(HOME, 0))
        return aiohttp.ClientSession(headers=headers, connector=connector)

    async def ask(session: aiohttp.ClientSession, url: str) -> Answer:
        async with session.get(url) as answer:
            return Answer(answer.status, await answer.text())

    with asyncio.Runner() as runner:
        session = runner.run(opened())
        try:
            yield lambda asked: runner.run(ask(session, visit.base + asked.path))
        finally:
            runner.run(session.close())


@contextmanager
def with_urllib(visit: Visit, headers: Headers) -> Iterator[Fetch]:
    """urllib.request, a connection each."""

    def fetch(asked: Asked) -> Answer:
        from urllib.error import HTTPError

        try:
            with urlopen(Request(visit.base + asked.path, headers=dict(headers)), timeout=_TIMEOUT) as answer:
                return Answer(answer.status, answer.read().decode())
        except HTTPError as error:
            error.close()
            return Answer(error.code, "")

    yield fetch


@contextmanager
def with_curl(visit: Visit, headers: Headers) -> Iterator[Fetch]:
    """curl, a process each."""
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]

    def fetch(asked: Asked) -> Answer:
        command = ["curl", "-s", "--interface", asked.address, "--compressed", "-w", "\n%{http_code}", *given]
        done = subprocess.run([*command, visit.base + asked.path], capture_output=True, text=True, timeout=_TIMEOUT)
        text, _, status = done.stdout.rpartition("\n")
        return Answer(int(status or 0), text)

    yield fetch


@contextmanager
def with_node(visit: Visit, headers: Headers) -> Iterator[Fetch]:
    """The fetch of Node (undici), in one process that is told each path on a line."""
    command = ["node", str(_NODE), visit.base, json.dumps(dict(headers))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        lines, answers = process.stdin, process.stdout
        if lines is None or answers is None:
            raise RuntimeError("no pipes to Node")

        def fetch(asked: Asked) -> Answer:
            lines.write(asked.path + "\n")
            lines.flush()
            return Answer(*json.loads(answers.readline()))

        yield fetch
        lines.close()


def impersonating(*browsers: str, reads_on: bool = False, styles: bool = False) -> Opened:
    """curl_cffi, which sends what a browser sends, from the handshake of TLS to the order of the headers.

    Args:
        browsers: which, as curl_cffi names them; each address keeps one of them.
        reads_on: whether it says from which page a link led on, as a browser does.
        styles: whether it asks for the style, the script and the icon with the first page of each address.
    """

    @contextmanager
    def opened(visit: Visit, headers: Headers) -> Iterator[Fetch]:
        from curl_cffi.requests import Session

        sessions: dict[str, Any] = {}

        def fetch(asked: Asked) -> Answer:
            fresh = asked.address not in sessions
            if fresh:
                browser: Any = browsers[len(sessions) % len(browsers)]
                sessions[asked.address] = Session(
                    impersonate=browser, interface=asked.address, timeout=_TIMEOUT, headers=dict(headers)
                )
            session = sessions[asked.address]
            answer = session.get(visit.base + asked.path, headers=_led(visit, asked) if reads_on else {})
            if fresh and styles:
                for path, kind in _PARTS:
                    session.get(visit.base + path, headers=_of_part(visit, asked, kind))
            return Answer(answer.status_code, answer.text)

        try:
            yield fetch
        finally:
            for session in sessions.values():
                session.close()

    return opened


_PARTS = (("/static/site.css", "style"), ("/static/site.js", "script"), ("/favicon.ico", "image"))


def _led(visit: Visit, asked: Asked) -> dict[str, str]:
    return {"Referer": visit.base + asked.referrer, "Sec-Fetch-Site": "same-origin"} if asked.referrer else {}


def _of_part(visit: Visit, asked: Asked, kind: str) -> dict[str, str]:
    return {
        "Referer": visit.base + asked.path,
        "Accept": "text/css,*/*;q=0.1" if kind == "style" else "*/*",
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "no-cors",
        "Sec-Fetch-Dest": kind,
    }
