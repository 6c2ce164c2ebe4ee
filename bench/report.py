"""Rows of results, and the tables they make."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

_HEAD = ("Question", "Figure", "Target", "Measure", "Met")
_PEERS = "starlette uvicorn is-crawler crawlerdetect crawler-user-agents ua-parser fastapi-guard".split()


class Row(NamedTuple):
    """One figure; `met` is None where there is no target."""

    question: str
    figure: str
    target: str = ""
    measure: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text; a dash where there is nothing to say."""
        met = "" if self.met is None else "yes" if self.met else "NO"
        return tuple(cell or "-" for cell in (*self[:4], met))


class Section(NamedTuple):
    """The answer to one question, and how to read it."""

    heading: str
    notes: str
    rows: list[Row]


def micro(seconds: float) -> str:
    """Seconds in microseconds, to three digits or so."""
    microseconds = seconds * 1e6
    decimals = 2 if microseconds < 10 else 1 if microseconds < 100 else 0
    return f"{microseconds:,.{decimals}f} µs"


def table(rows: Iterable[Row]) -> str:
    """The rows under each other, as Markdown."""
    lines = [_HEAD, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def machine() -> str:
    """The processor, the Python, and the versions of what is measured against."""
    peers = ", ".join(f"{name} {version(name)}" for name in _PEERS)
    return f"{_processor()}, {platform.python_implementation()} {platform.python_version()}; {peers}"


def write(path: Path, sections: Iterable[Section]) -> None:
    """All tables in one file, each under its heading."""
    parts = ["# Results of `python -m bench`", f"Measured on {machine()}."]
    for section in sections:
        parts += [f"## {section.heading}", section.notes, table(section.rows)]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.machine()
