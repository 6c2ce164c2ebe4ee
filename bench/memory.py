"""What does the guard add to the memory of an app, and how fast does the command line start?

How to read it: resident memory of a fresh process that has the demo site, less that of one that has it and the guard
with 2,000 distinct User-Agents looked at and remembered; the median of several. A million clients each open a page,
from addresses of their own, with one of fifty User-Agents; each twentieth has read robots.txt before. `--help` is wall
time, the median of seven, with the start of Python itself beside it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.report import Row
from bench.timing import taking_turns

MOST_MEGABYTES = 25.0
MOST_MEGABYTES_OF_CROWD = 128.0
MOST_SECONDS = 0.4
_CROWD = 1_000_000
_USER_AGENTS = 2_000
_SITE = Path(__file__).parent.parent / "scrapeguard" / "cli" / "demo_site.py"


def run() -> list[Row]:
    memory = taking_turns({kind: partial(_megabytes_of, kind) for kind in ("bare", "guarded")})
    bare, guarded = median(memory["bare"]), median(memory["guarded"])
    starts = {"python": ["-c", "pass"], "help": ["-m", "scrapeguard", "--help"]}
    wall = taking_turns({name: partial(_wall_time, arguments) for name, arguments in starts.items()})
    python, command = median(wall["python"]), median(wall["help"])
    added = guarded - bare
    crowded = _megabytes_of("crowded") - bare
    return [
        Row(
            f"Memory added to an app, {_USER_AGENTS:,} User-Agents seen",
            f"{added:.1f} MB",
            f"<= {MOST_MEGABYTES:.0f} MB",
            f"{bare:.1f} -> {guarded:.1f} MB",
            added <= MOST_MEGABYTES,
        ),
        Row(
            f"Memory added to an app, {_CROWD:,} clients having come by",
            f"{crowded:.1f} MB",
            f"<= {MOST_MEGABYTES_OF_CROWD:.0f} MB",
            f"{bare:.1f} -> {bare + crowded:.1f} MB",
            crowded <= MOST_MEGABYTES_OF_CROWD,
        ),
        Row(
            "python -m scrapeguard --help",
            f"{command:.3f} s",
            f"<= {MOST_SECONDS} s",
            f"python alone {python:.3f} s",
            command <= MOST_SECONDS,
        ),
    ]


def _megabytes_of(kind: str) -> float:
    command = [sys.executable, "-m", "bench.memory", kind]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def _wall_time(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _resident_megabytes() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def _probe(kind: str) -> None:
    import runpy

    # Not imported: that would bring parts of the package into the process that is to have none of it.
    app = runpy.run_path(str(_SITE))["demo_site"]()
    if kind == "guarded":
        from scrapeguard import Request, ScrapeGuard

        guarded = ScrapeGuard(app)
        for number in range(_USER_AGENTS):
            guarded.guard.assess(Request.of("/", user_agent=_user_agent(number)))
    if kind == "crowded":
        _crowd(app)
    print(_resident_megabytes())


def _crowd(app: Callable[..., Any]) -> None:
    """Very many clients, each of whom opens a page."""
    from bench.clients import CHROME
    from scrapeguard import Request, ScrapeGuard

    guard = ScrapeGuard(app).guard
    page = Request.of("/", headers=CHROME, host="www.example.org")
    agent = page.user_agent or b""
    if guard.behaviour is not None:
        guard.behaviour.history.styles.served(page.host, 0.0)
    for number in range(_CROWD):
        peer = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        # New octets for each, as from a server.
        user_agent = b"%b build/%d" % (agent, number % 50)
        asked = page._replace(peer=peer, path=f"/{number % 500}", user_agent=user_agent)
        if number % 20 == 0:
            guard.read_robots(asked, '"a"', b"User-agent: *\nDisallow: /private/\n")
        guard.assess(asked)


def _user_agent(number: int) -> str:
    if number % 10 == 0:
        return f"Mozilla/5.0 (compatible; Sample{number}Bot/1.0; +https://bot{number}.example.org/about)"
    chrome = f"{100 + number % 43}.0.{number}.0"
    return f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chrome} Safari/537.36"


if __name__ == "__main__":
    _probe(sys.argv[1])
