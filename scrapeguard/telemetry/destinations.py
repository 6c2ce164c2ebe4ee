"""Where events are written: stderr, logging, or a file."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from scrapeguard.core.policy import EventPolicy
from scrapeguard.telemetry.addresses import ADDRESS_FORMS
from scrapeguard.telemetry.events import EventLog
from scrapeguard.telemetry.rotated import RotatedFile


def open_events(said: EventPolicy, secret: bytes) -> EventLog | None:
    """What `events.log` names: stderr, logging, off (None), or the path of a file to which lines are added.

    Args:
        said: what is to be written, and where.
        secret: hashes addresses.

    Raises:
        OSError: the file cannot be opened.
    """
    if said.log == "off":
        return None
    shown = ADDRESS_FORMS[said.addresses](secret)
    if said.log == "logging":
        return EventLog(_to_logging, shown=shown)
    if said.log == "stderr":
        return EventLog(_to_stderr, shown=shown)
    file = RotatedFile(Path(said.log))
    return EventLog(file.write, shown=shown, end=file.close)


def _to_logging(lines: str) -> None:
    logger = logging.getLogger("scrapeguard.events")
    for line in lines.splitlines():
        logger.info(line)


def _to_stderr(lines: str) -> None:
    sys.stderr.write(lines)
    sys.stderr.flush()
