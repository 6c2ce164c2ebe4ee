"""`scrapeguard demo`: a guarded sample site, sample clients against it over the wire, and who got what."""

from __future__ import annotations

import argparse
import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from shutil import which
from typing import Any, NamedTuple

import uvicorn

from scrapeguard.app import ScrapeGuard
from scrapeguard.cli import BAD_USAGE, FINE, FOUND_PROBLEMS
from scrapeguard.cli.demo_scraper import NAME, Haul, haul_json, haul_rows, print_haul, scrape, with_decoys
from scrapeguard.cli.demo_site import demo_site
from scrapeguard.cli.loading import load_or_report
from scrapeguard.cli.output import ACTION_COLOURS, fail, paint, print_json, printable, table, who
from scrapeguard.core.decision import Decision
from scrapeguard.core.policy import Policy
from scrapeguard.telemetry.events import Event, Recorder

_HOST = "127.0.0.1"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"


class _Client(NamedTuple):
    name: str
    path: str
    headers: dict[str, str]


class _Row(NamedTuple):
    client: _Client
    status: int
    decision: Decision | None
    body: str


def _chrome(platform: str, system: str, more: str = "") -> dict[str, str]:
    """What Chrome sends when a person opens a page."""
    return {
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "Accept-Language": "en-GB,en;q=0.9",
        "Sec-CH-UA": '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
        "Sec-CH-UA-Platform": f'"{platform}"',
        "Sec-Fetch-Dest": "document",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Site": "none",
        "User-Agent": f"Mozilla/5.0 ({system}) {_CHROME}{more} Safari/537.36",
    }


_WINDOWS = "Windows NT 10.0; Win64; x64"
_CLIENTS = (
    _Client("Chrome on Windows", "/articles/tide-mill", _chrome("Windows", _WINDOWS)),
    _Client("CUBOT phone", "/articles/allotments", _chrome("Android", "Linux; Android 13; CUBOT_X70", " Mobile")),
    _Client(
        "script posing as Chrome",
        "/articles/tide-mill",
        {"User-Agent": f"Mozilla/5.0 ({_WINDOWS}) {_CHROME} Safari/537.36", "Accept": "*/*"},
    ),
    _Client(
        "Googlebot",
        "/articles/night-train",
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
    ),
    _Client("feed reader", "/feed.xml", {"User-Agent": "Miniflux/2.2.4 (+https://miniflux.app)"}),
    _Client(
        "link preview",
        "/articles/tide-mill",
        {"User-Agent": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"},
    ),
    _Client("curl", "/articles/tide-mill", {"User-Agent": "curl/8.11.0", "Accept": "*/*"}),
    _Client(
        "GPTBot",
        "/robots.txt",
        {"User-Agent": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; GPTBot/1.3"},
    ),
    _Client(
        "GPTBot",
        "/articles/tide-mill",
        {"User-Agent": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; GPTBot/1.3"},
    ),
    _Client(
        "ClaudeBot",
        "/articles/allotments",
        {"User-Agent": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0)"},
    ),
    _Client(
        "Perplexity for a user",
        "/articles/night-train",
        {"User-Agent": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0)"},
    ),
)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo once, or serve it until it is interrupted."""
    policy = load_or_report(arguments.rules)
    if policy is None:
        return FOUND_PROBLEMS
    try:
        listener = socket.create_server((_HOST, arguments.port))
    except OSError as error:
        fail(f"cannot listen on {_HOST}:{arguments.port}: {error.strerror}")
        return BAD_USAGE
    with closing(listener):
        if arguments.serve:
            _serve(policy, listener, as_json=arguments.json)
        else:
            _run_clients(policy, listener, as_json=arguments.json)
    return FINE


def _server(policy: Policy, record: Recorder) -> uvicorn.Server:
    guarded = ScrapeGuard(demo_site(), policy, record=record, record_all=True)
    return uvicorn.Server(uvicorn.Config(guarded, log_level="warning", proxy_headers=False))


def _url(listener: socket.socket) -> str:
    return f"http://{_HOST}:{listener.getsockname()[1]}"


def _serve(policy: Policy, listener: socket.socket, *, as_json: bool) -> None:
    if not as_json:
        print(f"The sample site is at {_url(listener)}; stop it with Ctrl-C. Try:\n")
        print(f"  curl {_url(listener)}/robots.txt\n  curl -A GPTBot/1.3 {_url(listener)}/\n", flush=True)
    record = _print_event_json if as_json else _print_event
    _server(policy, record).run(sockets=[listener])


def _print_event_json(event: Event) -> None:
    print(event.to_json(), flush=True)


def _print_event(event: Event) -> None:
    decision = event.decision
    action = paint(f"{decision.action:<8}", ACTION_COLOURS[decision.action])
    clock = datetime.fromtimestamp(event.time).astimezone().strftime("%H:%M:%S")
    status = str(event.status) if decision.refused else "   "
    asked = printable(f"{event.method} {event.path}")
    print(f"{clock}  {action}{status}  {asked}  {who(decision)}", flush=True)


def _run_clients(policy: Policy, listener: socket.socket, *, as_json: bool) -> None:
    events: list[Event] = []
    url = _url(listener)
    with _running(_server(policy, events.append), listener):
        rows = [_ask(client, listener.getsockname()[1], events) for client in _CLIENTS]
    haul = _scrape(policy)
    if as_json:
        for row in rows:
            print_json(_row_json(row))
        print_json(haul_json(haul))
        return
    print(f"A sample site was started at {url} behind scrapeguard, and these clients came:\n")
    shown = [(row.client.name, row.client.path, str(row.status), _action(row), _why(row)) for row in rows]
    shown += [(NAME, *cells) for cells in haul_rows(haul)]
    table(("CLIENT", "ASKED FOR", "STATUS", "ACTION", "WHY"), shown, colours={3: ACTION_COLOURS})
    print_haul(policy, haul)
    command = "scrapeguard" if which("scrapeguard") else sys.argv[0]
    print(f"\nLook at it yourself: {command} demo --serve")
    print(f'Ask about one request: {command} explain --user-agent "GPTBot/1.3"')


def _scrape(policy: Policy) -> Haul:
    """What a scraper takes from a site of its own, with the policy but for decoys, which are switched on."""
    events: list[Event] = []
    listener = socket.create_server((_HOST, 0))
    with closing(listener), _running(_server(with_decoys(policy), events.append), listener):
        return scrape(_HOST, listener.getsockname()[1], lambda: events[-1].decision if events else None)


@contextmanager
def _running(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    """Run a server in a thread; connections made before it accepts wait in the backlog of the socket."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _ask(client: _Client, port: int, events: list[Event]) -> _Row:
    events.clear()
    with closing(http.client.HTTPConnection(_HOST, port, timeout=10)) as connection:
        connection.request("GET", client.path, headers=client.headers)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    return _Row(client, response.status, events[-1].decision if events else None, body)


def _action(row: _Row) -> str:
    return str(row.decision.action) if row.decision else "-"


def _why(row: _Row) -> str:
    if row.decision is None:
        refused = row.body.partition("Disallow: /")[0].count("User-agent:")
        return f"everybody may read it; it names {refused} that are refused"
    return f"{who(row.decision)}: {row.decision.rule}"


def _row_json(row: _Row) -> dict[str, Any]:
    decision = row.decision.to_json() if row.decision else None
    return {"client": row.client.name, "path": row.client.path, "status": row.status, "decision": decision}
