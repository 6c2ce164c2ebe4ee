"""The composition root: builds guard and middleware from a rule file and owns what runs beside the requests."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from scrapeguard.asgi.middleware import GuardMiddleware
from scrapeguard.asgi.types import ASGIApp
from scrapeguard.core.policy import Policy
from scrapeguard.guard import Guard
from scrapeguard.rulefile.load import load_policy
from scrapeguard.telemetry.events import EventLog, Recorder


class ScrapeGuard(GuardMiddleware):
    """The middleware, ready to use: `app = ScrapeGuard(app)`, or `app.add_middleware(ScrapeGuard, rules="rules.yaml")`.

    Args:
        app: the ASGI app to guard.
        rules: a rule file, or a policy that is loaded already; None for the packaged default.
        options: what `GuardMiddleware` takes besides.

    Raises:
        PolicyError: the rule file cannot be honoured; every problem is in the message.
    """

    def __init__(self, app: ASGIApp, rules: str | Path | Policy | None = None, **options: Any) -> None:
        policy = rules if isinstance(rules, Policy) else load_policy(rules)
        options.setdefault("record", open_recorder(policy.events))
        super().__init__(app, Guard(policy), **options)


def open_recorder(target: str) -> Recorder | None:
    """What `events.log` names: stderr, logging, off (None), or the path of a file to which lines are added.

    Raises:
        OSError: the file cannot be opened.
    """
    if target == "off":
        return None
    return EventLog(_writer(target)).record


def _writer(target: str) -> Callable[[str], object]:
    if target == "logging":
        return _log_lines
    if target == "stderr":
        return lambda lines: _write(sys.stderr, lines)
    file = Path(target).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the process
    return lambda lines: _write(file, lines)


def _log_lines(lines: str) -> None:
    logger = logging.getLogger("scrapeguard.events")
    for line in lines.splitlines():
        logger.info(line)


def _write(stream: TextIO, lines: str) -> None:
    stream.write(lines)
    stream.flush()
