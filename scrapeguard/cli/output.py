"""Printing for people and for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from scrapeguard.core.decision import Decision

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "grey": "90", "bold": "1"}
ACTION_COLOURS = {
    "allow": "green",
    "observe": "yellow",
    "throttle": "yellow",
    "challenge": "yellow",
    "block": "red",
    "decoy": "red",
    "tarpit": "red",
}


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on one line."""
    print(json.dumps(record))


def fail(message: object) -> None:
    """A message on standard error."""
    print(message, file=sys.stderr)


def paint(text: str, colour: str) -> str:
    """The text in a colour, on a terminal that may be coloured (no-color.org)."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def printable(text: str) -> str:
    """The text without what could steer a terminal: it may come from strangers."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def who(decision: Decision) -> str:
    """Who a client says it is."""
    agent = decision.agent
    if agent is None:
        return "says nothing of itself"
    if agent.name is None:
        return str(agent.purpose)
    operator = f" of {agent.operator}" if agent.operator else ""
    return f"{printable(agent.name)}{operator}, {agent.purpose}"


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, colours: dict[int, dict[str, str]] | None = None
) -> None:
    """A table in columns; the last one is cut at the edge of the terminal.

    Args:
        heads: a head for each column.
        rows: as many cells each.
        colours: for a column, the colour of each word that may stand in it.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(heads), *cells]) for column in range(len(heads))]
    room = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 0
    print(paint(_line(heads, widths, room), "bold"))
    for row in cells:
        painted = [
            paint(cell.ljust(width), colour)
            if (colour := (colours or {}).get(column, {}).get(cell))
            else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row[:-1], widths[:-1], strict=True))
        ]
        print("  ".join([*painted, _cut(row[-1], widths[:-1], room)]).rstrip())


def _line(row: Sequence[str], widths: Sequence[int], room: int) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
    return "  ".join([*padded, _cut(row[-1], widths[:-1], room)])


def _cut(cell: str, widths: Sequence[int], room: int) -> str:
    left = room - sum(widths) - 2 * len(widths)
    return cell if not room or len(cell) <= left or left < 8 else cell[: left - 1] + "…"
