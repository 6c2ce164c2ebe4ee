"""What do N replicas exchange through Valkey, how soon do they agree, and what when it is lost?

How to read it: so many processes, each with a whole guard, at one real Valkey on the same machine. Each decides 50
requests a second where nothing else is said: one in five a page to a browser, three in five what belongs to these
pages, the rest refused bots; the browsers are 400 clients, whom any replica may get. A verdict is reached when a
stranger follows a trap at one replica; the figures are the time until each other replica refuses its next request.
Bytes and commands are those that Valkey counts, the inner commands of the script apart. The processor time of the
exchange is that of a replica less that of one that has no store, under the same requests. In the end Valkey is killed,
and comes back empty.

`python -m bench.scaling` prints the table; `--write` puts it into docs/scaling.md.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.replica import RATE, Order, Usage, replica
from bench.report import Row, machine, table
from bench.valkeyserver import Counts, Valkey

_GUIDE = Path(__file__).parents[1] / "docs" / "scaling.md"
_MARKS = "<!-- bench.scaling -->\n", "<!-- /bench.scaling -->"
_SIZES = (2, 4, 8)
_VERDICTS = 30
_SECONDS = 20.0
_PACED = 4
_RATES = (0, 500)
_SETTLING = 1.0
_OUTAGE = 5.0
_PATIENCE = 60.0


class Fleet:
    """Some replicas, told what to do over pipes."""

    def __init__(self, pipes: list[Connection], processes: list[Any]) -> None:
        self._pipes = pipes
        self._processes = processes

    def lose(self) -> None:
        """Kill the last one, without a word."""
        self._pipes.pop()
        lost = self._processes.pop()
        lost.kill()
        lost.join(_PATIENCE)

    def ask(self, order: Order, *, of: int | None = None, say: str = "") -> list[Any]:
        """What the replicas answer to an order; one of them, or all."""
        asked = self._pipes if of is None else [self._pipes[of]]
        for pipe in asked:
            pipe.send((order, say))
        return [_answer(pipe) for pipe in asked]

    def verdict(self, name: str, *, of: int = 0) -> list[float]:
        """Seconds until each other replica refuses a client that one of them has just caught."""
        others = list(self._pipes)
        first = others.pop(of)
        for pipe in others:
            pipe.send((Order.WATCH, name))
        first.send((Order.CATCH, name))
        begun = _answer(first)
        return [_answer(pipe) - begun for pipe in others]


def _answer(pipe: Connection) -> Any:
    if not pipe.poll(_PATIENCE):
        raise TimeoutError("a replica does not answer")
    return pipe.recv()


@contextmanager
def _fleet(number: int, store: str) -> Iterator[Fleet]:
    context = get_context("spawn")
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        pipes, processes = [], []
        for seed in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=replica, args=(theirs, store, folder, seed), daemon=True)
            process.start()
            stack.callback(_end, process.pid, process)
            pipes.append(ours)
            processes.append(process)
        for pipe in pipes:
            _answer(pipe)
        yield Fleet(pipes, processes)


def _end(pid: int | None, process: Any) -> None:
    if pid is not None and process.is_alive():
        os.kill(pid, signal.SIGTERM)
    process.join(_PATIENCE)


def run() -> list[Row]:
    valkey = Valkey()
    rows: list[Row] = []
    try:
        for number in _SIZES:
            rows += _rows(number, valkey)
    finally:
        valkey.kill()
    return rows


def _rows(number: int, valkey: Valkey) -> Iterator[Row]:
    valkey.kill()
    valkey.start()
    with _fleet(number, "memory") as fleet:
        alone = _used(fleet)
    with _fleet(number, valkey.url) as fleet:
        yield from _agreement(number, fleet)
        traffic = _measured(fleet, valkey)
        yield from _traffic(f"{number} replicas", traffic)
        counted, usage, seconds = traffic
        cost = (sum(one.cpu for one in usage) - sum(one.cpu for one in alone)) / number / _SECONDS
        yield Row(f"{number} replicas: processor time of the exchange, each", f"{cost:.2%}", "", "of a core")
        share = counted.cpu / seconds
        yield Row(f"{number} replicas: processor time of Valkey", f"{share:.2%}", "", "of a core")
        if number == _PACED:
            for rate in _RATES:
                fleet.ask(Order.PACE, say=str(rate))
                time.sleep(_SETTLING)
                yield from _traffic(f"{number} replicas", _measured(fleet, valkey))
        if number == max(_SIZES):
            yield from _changes(fleet, valkey)
            yield from _outage(number - 1, fleet, valkey, max(one.slowest for one in usage))


def _used(fleet: Fleet) -> list[Usage]:
    """What the replicas use within the time of measuring."""
    before = fleet.ask(Order.USAGE)
    time.sleep(_SECONDS)
    return [after.since(then) for after, then in zip(fleet.ask(Order.USAGE), before, strict=True)]


class Traffic(NamedTuple):
    """What Valkey counted, what the replicas used, and within how many seconds."""

    counted: Counts
    usage: list[Usage]
    seconds: float


def _measured(fleet: Fleet, valkey: Valkey) -> Traffic:
    first, before, begun = valkey.counts(), valkey.counts(), time.monotonic()
    usage = _used(fleet)
    # To count is sent too.
    return Traffic(valkey.counts().since(before).since(before.since(first)), usage, time.monotonic() - begun)


def _agreement(number: int, fleet: Fleet) -> Iterator[Row]:
    took = [seconds for one in range(_VERDICTS) for seconds in fleet.verdict(f"caught-{one}")]
    worst = max(took)
    often = f"{median(took):.2f} s as a rule, of {len(took)} times"
    yield Row(f"{number} replicas: until a verdict holds at another", f"{worst:.2f} s", "<= 1 s", often, worst <= 1.0)


def _traffic(fleet: str, traffic: Traffic) -> Iterator[Row]:
    counted, usage, seconds = traffic
    requests = sum(one.requests for one in usage)
    name = f"{fleet}, {requests / seconds:,.0f} requests/s"

    def each(number: float, form: str) -> str:
        return form.format(number / requests) if requests else ""

    for what, size in (("to", counted.input_bytes), ("from", counted.output_bytes)):
        yield Row(f"{name}: {what} Valkey", f"{size / seconds / 1000:,.1f} kB/s", "", each(size, "{:,.0f} B a request"))
    messages, inner = counted.exchanges, counted.inner
    yield Row(f"{name}: messages", f"{messages / seconds:,.1f} /s", "", each(messages, "{:.3f} a request"))
    yield Row(f"{name}: commands in them", f"{inner / seconds:,.0f} /s", "", f"{inner / messages:.1f} each")
    failures, dropped = sum(one.failures for one in usage), sum(one.dropped for one in usage)
    good = not (failures or dropped)
    yield Row(f"{name}: exchanges failed, acts dropped", f"{failures}, {dropped}", "0, 0", "", good)


def _changes(fleet: Fleet, valkey: Valkey) -> Iterator[Row]:
    """A replica that comes, and one that is lost."""
    begun = time.monotonic()
    with _fleet(1, valkey.url) as late:
        (knows,) = late.ask(Order.IS_REFUSED, say="caught-0")
        took = time.monotonic() - begun
    yield Row(
        "one replica more: refuses at once whom the others caught",
        "yes" if knows else "no",
        "yes",
        f"ready after {took:.1f} s",
        knows,
    )
    fleet.verdict("caught-by-the-lost", of=-1)
    fleet.lose()
    known = all(fleet.ask(Order.IS_REFUSED, say="caught-by-the-lost"))
    yield Row("one replica killed: the others hold whom it caught", "yes" if known else "no", "yes", "", known)


def _outage(number: int, fleet: Fleet, valkey: Valkey, usual: float) -> Iterator[Row]:
    """Valkey killed, a verdict reached meanwhile, and Valkey back without its data."""
    before = fleet.ask(Order.USAGE)
    valkey.kill()
    (caught,) = fleet.ask(Order.CATCH, of=0, say="caught-in-the-dark")
    time.sleep(_OUTAGE)
    during = [after.since(then) for after, then in zip(fleet.ask(Order.USAGE), before, strict=True)]
    here, *elsewhere = fleet.ask(Order.IS_REFUSED, say="caught-in-the-dark")
    kept = fleet.ask(Order.IS_REFUSED, say="caught-0")
    rate = sum(one.requests for one in during) / (_OUTAGE * number)
    yield Row(
        f"{number} replicas, Valkey killed: decisions go on",
        f"{rate:,.0f} /s each",
        f"{RATE} /s",
        "",
        rate > 0.9 * RATE,
    )
    worst = max(one.slowest for one in during)
    yield Row(
        f"{number} replicas, Valkey killed: the slowest decision",
        f"{worst * 1000:.1f} ms",
        "",
        f"{usual * 1000:.1f} ms before, within {_SECONDS:.0f} s",
    )
    good = all(kept) and here and not any(elsewhere)
    yield Row(
        f"{number} replicas, Valkey killed: old verdicts hold, new ones stay where they are reached",
        "yes" if good else "no",
        "yes",
        "",
        good,
    )
    valkey.start()
    back = time.monotonic()
    until = back + _PATIENCE
    while not all(fleet.ask(Order.IS_REFUSED, say="caught-in-the-dark")) and time.monotonic() < until:
        time.sleep(0.02)
    seconds = time.monotonic() - back
    yield Row(
        f"{number} replicas, Valkey back, empty: a verdict of the meantime reaches all",
        f"{seconds:.2f} s",
        "<= 2 s",
        f"reached {back - caught:.0f} s before",
        seconds <= 2.0,
    )
    dropped = sum(one.dropped for one in fleet.ask(Order.USAGE)) - sum(one.dropped for one in before)
    yield Row(f"{number} replicas, Valkey back: acts dropped meanwhile", f"{dropped:,}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/scaling.md")
    arguments = parser.parse_args()
    text = table(run())
    print(text)
    if arguments.write:
        begin, end = _MARKS
        guide = _GUIDE.read_text(encoding="utf-8")
        made = f"{begin}Measured on {machine().partition(';')[0]}.\n\n{text}\n{end}"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        _GUIDE.write_text(pattern.sub(lambda _: made, guide), encoding="utf-8")


if __name__ == "__main__":
    main()
