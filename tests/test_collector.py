"""The garbage collector of our own servers."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

import scrapeguard

SCRIPT = """
import gc
from scrapeguard.collector import relax_collector
before = gc.get_threshold()
relax_collector()
assert gc.get_freeze_count() > 1000
assert all(now > then for now, then in zip(gc.get_threshold(), before))
seen = gc.get_stats()[0]["collections"]
kept = [[number] for number in range(5_000)]
assert gc.get_stats()[0]["collections"] == seen
kept += [[number] for number in range(20_000)]
assert gc.get_stats()[0]["collections"] > seen
"""


def test_what_is_built_is_looked_at_no_more_and_what_comes_is_still_collected():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


TELLING = """
import gc, os, pathlib, signal
def tell(number, frame):
    pathlib.Path(os.environ["TOLD"]).write_text(f"{gc.get_threshold()[0]} {gc.get_freeze_count()}\\n")
signal.signal(signal.SIGUSR1, tell)
"""
RULES = "extends: default\nverification: {dns: off, refresh: off}\nevents: {log: off}\n"


@pytest.mark.parametrize(
    "command", [["proxy", "--upstream", "http://127.0.0.1:9"], ["forward-auth"]], ids=["proxy", "decisions"]
)
def test_our_own_servers_relax_it(command, tmp_path):
    """Looked at from within: a module that Python itself loads tells on a signal."""
    (tmp_path / "sitecustomize.py").write_text(TELLING)
    (tmp_path / "rules.yaml").write_text(RULES)
    told = tmp_path / "told"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(scrapeguard.__file__).parents[1]}", "TOLD": str(told)}
    line = [sys.executable, "-m", "scrapeguard", *command, "--json", "--listen", "127.0.0.1:0", "--rules", "rules.yaml"]
    with subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = json.loads(process.stdout.readline())
            host, _, port = said.get("listen", said.get("listening")).removeprefix("http://").rpartition(":")
            deadline = time.monotonic() + 30
            while not (told.exists() and told.read_text()):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
                with suppress(OSError), closing(HTTPConnection(host, int(port), timeout=1)) as connection:
                    connection.request("GET", "/.well-known/scrapeguard/health")
                    connection.getresponse().read()
                    os.kill(server_of(process.pid), signal.SIGUSR1)
        finally:
            process.terminate()
    threshold, frozen = map(int, told.read_text().split())
    assert threshold > gc.get_threshold()[0]
    assert frozen > 1000


def server_of(pid):
    """The worker of a process, which is that process where it has none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid
