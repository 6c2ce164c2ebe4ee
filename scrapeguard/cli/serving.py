"""Serving an app from the command line: where to listen, and with how many processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import uvicorn

from scrapeguard.asgi.types import ASGIApp
from scrapeguard.cli import FINE, FOUND_PROBLEMS
from scrapeguard.cli.workers import Workers

BACKLOG = 2048
_LARGEST_HEAD = 1 << 20
_KEEP_ALIVE = 180
_GRACE = 10
_LAST_WORDS = 0.5


def listen(place: str) -> socket.socket:
    """A socket that listens at `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.

    Raises:
        ValueError: the place is none of these.
        OSError: it cannot be had.
    """
    kind, _, path = place.partition(":")
    return _listen_unix(Path(path)) if kind == "unix" and path else _listen_tcp(place)


def _listen_tcp(place: str) -> socket.socket:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{place!r} is no place to listen at; write HOST:PORT or unix:PATH")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    # With its protocol named, or asyncio leaves Nagle's algorithm on and answers wait for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _bound(listener, (host.strip("[]"), int(port)))


def _listen_unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        # One that is left from a process that was killed refuses everybody.
        if listener.connect_ex(str(path)) == 0:
            listener.close()
            raise OSError(None, "somebody listens there already", str(path))
        path.unlink()
    # Who may ask is said by the permissions of the socket: its user and group.
    before = os.umask(0o117)
    try:
        return _bound(listener, str(path))
    finally:
        os.umask(before)


def _bound(listener: socket.socket, address: tuple[str, int] | str) -> socket.socket:
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def place_of(listener: socket.socket) -> str:
    """Where a socket listens, as `listen` takes it."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


Build = Callable[[], ASGIApp]
"""Makes the app, once in each worker."""


def serve(renew: Callable[[], Build | None], listener: socket.socket, workers: int) -> int:
    """Serve until SIGTERM or SIGINT; at SIGHUP with a new app.

    Args:
        renew: reads what there is to read, and says how the app is made; None where that cannot be used, and all stays
            as it was.
        listener: the socket that all workers accept from. It stays open while they change.
        workers: how many processes.

    Returns:
        The exit code of this process, which may be a worker's.
    """
    build = renew()
    if build is None:
        return FOUND_PROBLEMS

    def renewed() -> Callable[[], int] | None:
        build = renew()
        return None if build is None else partial(_run, build, listener)

    return Workers(partial(_run, build, listener), workers, renewed).watch()


def _run(build: Callable[[], ASGIApp], listener: socket.socket) -> int:
    config = uvicorn.Config(
        build,
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
