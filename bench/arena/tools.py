"""What the clients need on the machine, and what to say where it is missing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

from bench.arena.clients import chromium, firefox


class Tool(NamedTuple):
    """A program or module, and how to get it."""

    programs: tuple[str, ...]
    module: str
    remedy: str


_EXTRA = 'pip install "scrapeguard[bench]"'
_TOOLS: Mapping[str, Tool] = {
    "aiohttp": Tool((), "aiohttp", _EXTRA),
    "chromium": Tool(chromium.NAMES, "playwright", 'apt install chromium, pip install "scrapeguard[test]"'),
    "curl": Tool(("curl",), "", "apt install curl"),
    "curl_cffi": Tool((), "curl_cffi", _EXTRA),
    "firefox": Tool(firefox.NAMES, "websockets", 'apt install firefox-esr, pip install "scrapeguard[test]"'),
    "httrack": Tool(("httrack",), "", "apt install httrack"),
    "lynx": Tool(("lynx",), "", "apt install lynx"),
    "node": Tool(("node",), "", "apt install nodejs"),
    "requests": Tool((), "requests", _EXTRA),
    "Scrapy": Tool((), "scrapy", _EXTRA),
    "w3m": Tool(("w3m",), "", "apt install w3m"),
    "wget": Tool(("wget",), "", "apt install wget"),
    "Xvfb": Tool(("Xvfb",), "", "apt install xvfb"),
}


def missing(needs: tuple[str, ...]) -> str:
    """Why a client cannot take part; empty if it can."""
    for name in needs:
        tool = _TOOLS[name]
        has_program = not tool.programs or any(map(shutil.which, tool.programs))
        if not has_program or (tool.module and find_spec(tool.module) is None):
            return f"no {name} here ({tool.remedy})"
    return ""


@contextmanager
def display() -> Iterator[str]:
    """An X server without a screen, by its name; the name is empty where there is none on this machine."""
    if not shutil.which("Xvfb"):
        yield ""
        return
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not re.fullmatch(r"\d+\n", line):
            raise RuntimeError("Xvfb did not start")
        try:
            yield f":{line.strip()}"
        finally:
            process.terminate()
