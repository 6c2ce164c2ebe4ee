"""Programs that follow links of themselves: wget, HTTrack and Scrapy."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.arena.addresses import HOME
from bench.arena.clients.identities import Headers
from bench.arena.visit import Visit

_MOST_SECONDS = 120


def wget(visit: Visit, headers: Headers) -> None:
    """`wget --mirror`, which is told to look at no robots.txt."""
    given = [f"--header={name}: {value}" for name, value in headers.items() if name != "User-Agent"]
    agent = [f"--user-agent={headers['User-Agent']}"] if "User-Agent" in headers else []
    options = ["--quiet", "--recursive", "--level=inf", "--execute=robots=off", "--tries=1", f"--bind-address={HOME}"]
    _run(visit, "wget", *options, *agent, *given, f"--directory-prefix={visit.folder}", *_starts(visit))


def httrack(visit: Visit, headers: Headers) -> None:
    """HTTrack at its most hasty, which is told to look at no robots.txt."""
    agent = ["-F", headers["User-Agent"]] if "User-Agent" in headers else []
    options = ["-O", str(visit.folder), "--quiet", "-s0", "-c8", "-%!", "-%c0", "-A0"]
    _run(visit, "httrack", *_starts(visit), *options, *agent)


def scrapy(visit: Visit, headers: Headers) -> None:
    """Scrapy with its own settings, but for robots.txt and the headers."""
    _run(visit, sys.executable, "-m", "bench.arena.clients.spider", json.dumps(dict(headers)), *_starts(visit))


def _starts(visit: Visit) -> list[str]:
    """The front page, and all pages that are known: who is refused at the front has somewhere else to begin."""
    return [f"{visit.base}/", *(visit.base + path for path in visit.pages)]


def _run(visit: Visit, *command: str) -> None:
    """Run to the end, or as long as is bearable; what came until then counts."""
    try:
        subprocess.run(command, capture_output=True, timeout=_MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"  {command[0]} was stopped after {_MOST_SECONDS} s", file=sys.stderr)
