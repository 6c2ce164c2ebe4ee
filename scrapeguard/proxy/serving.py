"""Serving the proxy: one process or several, all told to read the rules anew, and ended without cutting anybody off.

Rules of this file:

- Workers are started by uvicorn's supervisor. What they need is handed to them as it is; nothing is global.
- A worker that is started anew finds rules that are good even if the file is not: those that the supervisor read last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Any, Protocol

import uvicorn
from uvicorn.supervisors import Multiprocess

from scrapeguard.collector import relax_collector
from scrapeguard.core.policy import Policy
from scrapeguard.errors import PolicyError
from scrapeguard.logs import log_to_stderr
from scrapeguard.proxy.front import Front
from scrapeguard.proxy.protocol import BoundedHttpProtocol
from scrapeguard.proxy.reload import Reloading
from scrapeguard.proxy.types import ASGIApp, Receive, Scope, Send
from scrapeguard.proxy.upstreamanswer import BrokenAnswerError
from scrapeguard.rulefile.changes import Changes

logger = logging.getLogger("scrapeguard")

_READY_WITHIN = 1.0


class Build(Protocol):
    """Builds the guarded relay for one policy after another."""

    def __call__(self, policy: Policy) -> ASGIApp:
        """The guarded relay for a policy; what serves already stays as it is."""

    def in_force(self) -> None:
        """What was built last serves from now on."""

    async def close(self) -> None:
        """Give back what all of them shared."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How a process serves. Handed from the supervisor to its workers, so all in it can be pickled.

    `builder` makes, once in each process, what builds the guarded relay for a policy. `policy` is the last good one of
    the file at `rules`, which `load` reads. `drain` are seconds for which a process that shall end still serves, and
    tells balancers by its health; `grace` those that requests under way then have.
    """

    builder: Callable[[], Build]
    policy: Policy
    rules: Path
    load: Callable[[Path], Policy]
    drain: float = 0.0
    grace: float = 30.0


class Draining:
    """Delays the end of a process by some seconds, in which its health says so.

    Args:
        app: the front.
        seconds: how long.
    """

    def __init__(self, app: Front, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one connection as ASGI asks. No coroutine of its own: it hands on the awaitable of the app."""
        if scope["type"] == "lifespan" and threading.current_thread() is threading.main_thread():
            self._listen(asyncio.get_running_loop())
        return self._app(scope, receive, send)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Put ourselves before what the server does when it is told to end: it closes its sockets at once."""
        end = signal.getsignal(signal.SIGTERM)
        if not callable(end):
            return

        def begin_to_end(number: int, frame: FrameType | None) -> None:
            if self._app.draining or not self._seconds:
                self._app.draining = True
                end(number, frame)
                return
            self._app.draining = True
            loop.call_soon_threadsafe(loop.call_later, self._seconds, end, number, None)

        signal.signal(signal.SIGTERM, begin_to_end)


def build_app(serving: Serving) -> ASGIApp:
    """The whole app of one process: health, reload, guard and relay. The factory that uvicorn calls."""
    _log()
    policy = serving.policy
    changes = Changes(serving.rules)
    try:
        policy = serving.load(serving.rules)
    except (PolicyError, OSError) as error:
        logger.error("%s cannot be used; the rules before it stay in force:\n%s", serving.rules, error)
    build = serving.builder()
    reloading = Reloading(
        build,
        policy,
        path=serving.rules,
        load=serving.load,
        changes=changes,
        afterwards=build.close,
        in_force=build.in_force,
    )
    app = Draining(Front(reloading), serving.drain)
    supervisor = parent_process()
    if supervisor is not None:
        threading.Thread(target=_end_with, args=(supervisor,), daemon=True).start()
    relax_collector()
    return app


def _end_with(supervisor: BaseProcess) -> None:
    """End this worker when the process that watches over it is no more, or its socket stays taken for ever."""
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _log() -> None:
    log_to_stderr()
    logging.getLogger("uvicorn.error").addFilter(_shortened)


_DENIED = "ASGI callable returned without completing handshake."
"""What uvicorn logs wherever a WebSocket is refused with an answer of its own."""


def _shortened(record: logging.LogRecord) -> bool:
    """What is no mistake in this program: one line for an upstream that fails in the middle, none for a refusal."""
    if record.msg == _DENIED:
        return False
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BrokenAnswerError | asyncio.CancelledError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "an answer was cut: %s", (error,)
        record.exc_info = record.exc_text = None
    return True


def config_of(serving: Serving, **options: Any) -> uvicorn.Config:
    """The configuration of uvicorn for the proxy.

    Args:
        serving: how it serves.
        options: what `uvicorn.Config` takes besides, such as `workers` and the options of TLS.
    """
    return uvicorn.Config(
        partial(build_app, serving),
        factory=True,
        # Not to be guessed: these apps are no coroutine functions.
        interface="asgi3",
        http=BoundedHttpProtocol,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="on",
        # Addresses, the date and the name of the server are told by others: the guard, the front, the upstream.
        proxy_headers=False,
        date_header=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        log_config=None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(serving.grace)),
        **options,
    )


def serve(config: uvicorn.Config, listener: socket, serving: Serving) -> None:
    """Serve until the process is told to end."""
    if config.workers > 1:
        Supervisor(config, listener, serving).run()
        return
    # uvicorn raises the signal that ended it once more: to have been told to end is no failure.
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


class Supervisor(Multiprocess):
    """uvicorn's supervisor, but that SIGHUP reaches the workers: they read their rules, and no connection is lost."""

    def __init__(self, config: uvicorn.Config, listener: socket, serving: Serving) -> None:
        super().__init__(config, sockets=[listener])
        self._serving = serving
        self._changes = Changes(serving.rules)

    def terminate_all(self) -> None:
        """Tell all workers to end; who comes then is refused, and does not wait for somebody to accept him."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def handle_hup(self) -> None:
        """Have all workers read the rules anew."""
        for process in self.processes:
            # Who has only just been started would die of it, and reads them of itself.
            if process.pid is not None and process.is_ready(_READY_WITHIN):
                os.kill(process.pid, signal.SIGHUP)

    def keep_subprocess_alive(self) -> None:
        """Start workers in place of those that died, with the last good rules."""
        if self._changes.there_are():
            self._remember()
        before = list(self.processes)
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=True):
            if new is not old:
                logger.error(
                    "worker %s ended, or answered no more (status %s); %s takes its place",
                    old.pid,
                    old.exitcode,
                    new.pid,
                )

    def _remember(self) -> None:
        try:
            policy = self._serving.load(self._serving.rules)
        except (PolicyError, OSError):
            # The workers read it too, and say what is wrong with it.
            return
        self._serving = replace(self._serving, policy=policy)
        self.config.app = partial(build_app, self._serving)
