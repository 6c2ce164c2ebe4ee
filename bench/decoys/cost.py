"""What do decoys cost: pages a second, memory, start?

How to read it: CPU time of this process, the least of several rounds, once a site has served the pages of its maze;
the first thousand, which are the first to deal some of the clauses, have a row of their own. The pages are
4 to 8 kB of HTML, none asked for twice. Memory is what a fresh process gains that has the middleware already. The naive
page is what Faker alone makes, of the same size, without any of the rest.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable

from bench.decoys.pages import naive
from bench.report import Row
from bench.timing import calls, fastest
from scrapeguard.decoys.site import DecoySite

_LEAST_PAGES = 5_000
_MOST_MEGABYTES = 40.0
_MOST_SECONDS = 1.0
_SECRET = b"a secret for the benchmark"

_PROBE = """
import time, sys
from pathlib import Path
import scrapeguard.app
def megabytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
before, start = megabytes(), time.process_time()
from scrapeguard.decoys.site import DecoySite
site = DecoySite(b"a secret for the benchmark", "site.test")
seconds = time.process_time() - start
for number in range(4096):
    site.page(site.maze.link(number).path)
first = megabytes()
other = DecoySite(b"a secret for the benchmark", "other.test")
print(first - before, seconds, megabytes() - first)
"""


def run() -> list[Row]:
    site = DecoySite(_SECRET, "site.test")
    paths = [site.maze.link(number).path for number in range(4096)]
    first = _once(lambda: map(site.page, paths[:1000])) / 1000
    for path in paths[1000:]:
        site.page(path)
    others = [f"/archive/{number}" for number in range(4000)]
    batches = iter([others[start : start + 500] for start in range(0, 4000, 500)])
    seconds = fastest({"page": calls(site.page, lambda: next(batches))})["page"]
    sizes = sorted(len(site.page(path).body) for path in paths[:500])
    naive_seconds = _once(lambda: naive(150)) / 150
    probes = [tuple(map(float, _probe().split())) for _ in range(3)]
    memory, start, other = map(min, zip(*probes, strict=True))
    rate = 1 / seconds
    return [
        Row("Decoys a second and core", f"{rate:,.0f}", f">= {_LEAST_PAGES:,}", _size(sizes), rate >= _LEAST_PAGES),
        Row("... among the first thousand of a site", f"{1 / first:,.0f}"),
        Row(
            "... against the naive Faker page",
            f"{naive_seconds / seconds:.1f} x",
            ">= 10 x",
            f"{1 / naive_seconds:,.0f} naive pages a second",
            naive_seconds >= 10 * seconds,
        ),
        Row(
            "Memory of the generator", f"{memory:.1f} MB", f"<= {_MOST_MEGABYTES:.0f} MB", "", memory <= _MOST_MEGABYTES
        ),
        Row("... of another host with a look of its own", f"{other:.1f} MB"),
        Row("Start of the generator", f"{start:.2f} s", f"<= {_MOST_SECONDS} s", "CPU", start <= _MOST_SECONDS),
    ]


def _size(sizes: list[int]) -> str:
    return f"{sizes[len(sizes) // 10] / 1000:.1f}-{sizes[len(sizes) * 9 // 10] / 1000:.1f} kB (tenth to nine tenths)"


def _once(make: Callable[[], Iterable[object]]) -> float:
    start = time.process_time()
    list(make())
    return time.process_time() - start


def _probe() -> str:
    return subprocess.run([sys.executable, "-c", _PROBE], stdout=subprocess.PIPE, check=True, text=True).stdout
