"""New rules for a proxy under load: how many requests fail, and how long one waits at most."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.proxy_load import CONNECTIONS, Server
from bench.proxy_parts import BODY
from bench.report import Row

_SECONDS = 8.0
_EVERY = 0.8
_RULES = """
version: 1
extends: default
verification: {dns: off, refresh: off}
events: {log: off}
rules:
  - {name: closed, when: {path: /closed-%d/}, action: block}
"""
_REQUEST = b"GET %b HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8.11.0\r\nAccept: */*\r\n\r\n"
_IN_FORCE = "the new rules are in force"


class _Tally(NamedTuple):
    """What became of the requests."""

    waits: list[float]
    failures: list[str]


def reload_row(upstream: int) -> Row:
    """The row of a proxy whose rule file is written anew again and again."""
    with tempfile.TemporaryDirectory() as folder:
        rules, log = Path(folder, "rules.yaml"), Path(folder, "log")
        rules.write_text(_RULES % 0, encoding="utf-8")
        with _proxy(upstream, rules, log) as server:
            tally, written = asyncio.run(_under_load(server, rules))
        reloads = log.read_text(encoding="utf-8").count(_IN_FORCE)
    figure = f"{len(tally.waits):,} requests, {reloads} reloads"
    measure = f"{len(tally.failures)} failed, longest wait {max(tally.waits) * 1e3:.0f} ms"
    met = not tally.failures and reloads >= written
    return Row(f"new rules under load of {CONNECTIONS} connections", figure, "0 failed", measure, met)


@contextmanager
def _proxy(upstream: int, rules: Path, log: Path) -> Iterator[Server]:
    at = f"http://127.0.0.1:{upstream}"
    command = [sys.executable, "-m", "scrapeguard", "proxy", "--upstream", at, "--listen", "127.0.0.1:0"]
    command += ["--rules", str(rules), "--json"]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield Server(int(json.loads(line)["listen"].rpartition(":")[2]), process.pid)
        finally:
            process.terminate()


async def _under_load(server: Server, rules: Path) -> tuple[_Tally, int]:
    tally, end = _Tally([], []), time.monotonic() + _SECONDS
    # The first answer is there when the process serves.
    await _ask_until(server, time.monotonic() + 0.1, _Tally([], []))
    readers = [asyncio.create_task(_ask_until(server, end, tally)) for _ in range(CONNECTIONS)]
    number = 0
    while time.monotonic() < end - 2 * _EVERY:
        await asyncio.sleep(_EVERY)
        number += 1
        new = rules.with_suffix(".new")
        new.write_text(_RULES % number, encoding="utf-8")
        new.replace(rules)
        server.tell(signal.SIGHUP)
    await asyncio.gather(*readers)
    if not await _is_closed(server, number):
        tally.failures.append("the last rules are not in force")
    return tally, number


async def _ask_until(server: Server, end: float, tally: _Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    while (start := time.monotonic()) < end:
        writer.write(_REQUEST % b"/")
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(len(BODY))
        except (OSError, EOFError) as error:
            tally.failures.append(repr(error))
            return
        tally.waits.append(time.monotonic() - start)
        if not head.startswith(b"HTTP/1.1 200 ") or body != BODY:
            tally.failures.append(head.decode("latin-1"))
    writer.close()


async def _is_closed(server: Server, number: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(_REQUEST % (b"/closed-%d/" % number))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head.startswith(b"HTTP/1.1 403 ")
