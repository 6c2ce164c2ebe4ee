"""Serving an app from the command line, with so many processes."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import uvicorn

from scrapeguard.asgi.types import ASGIApp
from scrapeguard.cli import FINE, FOUND_PROBLEMS
from scrapeguard.cli.workers import Workers
from scrapeguard.collector import relax_collector
from scrapeguard.logs import log_to_stderr
from scrapeguard.rulefile.changes import Changes

_LARGEST_HEAD = 1 << 20
_KEEP_ALIVE = 180
_GRACE = 10
_LAST_WORDS = 0.5


Build = Callable[[], ASGIApp]
"""Makes the app, once in each worker."""


def serve(renew: Callable[[], Build | None], rules: Path, listener: socket.socket, workers: int) -> int:
    """Serve until SIGTERM or SIGINT; when the rule file changes, and at SIGHUP, with a new app.

    Args:
        renew: reads what there is to read, and says how the app is made; None where that cannot be used, and all stays
            as it was.
        rules: the file it reads.
        listener: the socket that all workers accept from. It stays open while they change.
        workers: how many processes.

    Returns:
        The exit code of this process, which may be a worker's.
    """
    log_to_stderr()
    changes = Changes(rules)
    build = renew()
    if build is None:
        return FOUND_PROBLEMS

    def renewed() -> Callable[[], int] | None:
        build = renew()
        return None if build is None else partial(_run, build, listener)

    return Workers(partial(_run, build, listener), workers, renewed, changes.there_are).watch()


def _run(build: Callable[[], ASGIApp], listener: socket.socket) -> int:
    config = uvicorn.Config(
        partial(_built, build),
        factory=True,
        lifespan="on",
        ws="none",
        # Whose word is taken is for us to say, and the versions of our parts are nobody's business.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="error",
        # Servers that ask take larger heads than h11 by default, and an error here may let a request pass there.
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        # Longer than servers keep idle connections, which would else race with us for the end of them.
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )
    # uvicorn ends with the signal that it got; to end in order is to write the last events.
    signal.signal(signal.SIGTERM, _leave)
    server = _Server(config)
    server.run(sockets=[listener])
    return FINE if server.started else FOUND_PROBLEMS


def _built(build: Callable[[], ASGIApp]) -> ASGIApp:
    app = build()
    relax_collector()
    return app


class _Server(uvicorn.Server):
    """Answers what it has accepted before it goes; uvicorn takes a connection with a request not yet read for idle."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, go on for a moment, and end."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(_LAST_WORDS)
        await super().shutdown(sockets)


def _leave(*_: object) -> NoReturn:
    sys.exit(FINE)
