"""Changing the rules of a running proxy: another guard takes the place of the one before, between two requests.

Rules of this file:

- Requests under way end under the rules that they began with.
- A file that cannot be honoured changes nothing: its problems are logged once, and counted.
- The new guard is whole, and what runs beside it has begun, before anybody is sent to it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from scrapeguard.core.policy import Policy
from scrapeguard.errors import PolicyError
from scrapeguard.proxy.lifespan import AppLifespan
from scrapeguard.proxy.types import ASGIApp, Receive, Scope, Send
from scrapeguard.rulefile.changes import Changes

logger = logging.getLogger("scrapeguard")

LOOK_EVERY = 2.0
"""Seconds between two looks at the rule file."""


class Reloading:
    """An app that is built from a policy, and built anew when the rule file changes or the process gets SIGHUP.

    Args:
        build: the app for a policy.
        policy: the first, already good.
        path: the rule file; files that it extends are read again with it.
        load: the policy of the rule file, in another thread.
        changes: of the rule file since the first policy was read; None for those from now on.
        look_every: seconds between two looks.
        afterwards: what is to be done when all has ended.
        in_force: told, in the event loop, that the app built last serves from now on; those that never do are not
            spoken of. Until then nothing may be changed that the one before uses.
    """

    def __init__(
        self,
        build: Callable[[Policy], ASGIApp],
        policy: Policy,
        *,
        path: Path,
        load: Callable[[Path], Policy],
        changes: Changes | None = None,
        look_every: float = LOOK_EVERY,
        afterwards: Callable[[], Awaitable[object]] | None = None,
        in_force: Callable[[], object] = lambda: None,
    ) -> None:
        self._build = build
        self._path = path
        self._load = load
        self._look_every = look_every
        self._afterwards = afterwards
        self._in_force = in_force
        self._app = build(policy)
        in_force()
        self._current = AppLifespan(self._app)
        self._changes = changes or Changes(path)
        self._asked = asyncio.Event()
        self._told = ""
        self.reloads = 0
        """How often other rules came into force."""
        self.failures = 0
        """How often a file could not be honoured."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one connection as ASGI asks. No coroutine of its own: it hands on the awaitable of the app."""
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        return self._app(scope, receive, send)

    async def reload(self) -> None:
        """Read the file, and go over to its rules where they are good."""
        try:
            policy = await asyncio.to_thread(self._load, self._path)
            # Beside the requests too: decoys take a second to begin.
            app = await asyncio.to_thread(self._build, policy)
        except (PolicyError, OSError) as error:
            self._keep(str(error))
            return
        lifespan = AppLifespan(app)
        try:
            await lifespan.start()
        except RuntimeError as error:
            self._keep(str(error))
            return
        before, self._current = self._current, lifespan
        self._app = app
        self._in_force()
        self._told = ""
        self.reloads += 1
        logger.warning("%s: the new rules are in force", self._path)
        await before.stop()

    def _keep(self, problems: str) -> None:
        self.failures += 1
        if problems != self._told:
            self._told = problems
            logger.error("%s cannot be used; the rules before it stay in force:\n%s", self._path, problems)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._current.start()
        except RuntimeError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        restore = self._on_hangup()
        watch = asyncio.create_task(self._watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        restore()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await self._current.stop()
        if self._afterwards is not None:
            await self._afterwards()
        await send({"type": "lifespan.shutdown.complete"})

    def _on_hangup(self) -> Callable[[], object]:
        """Listen for SIGHUP, where signals can be listened to at all; what undoes it."""
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
            return lambda: None
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        return lambda: loop.remove_signal_handler(signal.SIGHUP)

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every):
                    await self._asked.wait()
            # Looked at in any case: what was read because we were asked is not to be read again.
            changed = self._changes.there_are()
            if self._asked.is_set():
                # Who asks is told again what is wrong.
                self._told = ""
            if changed or self._asked.is_set():
                self._asked.clear()
                try:
                    await self.reload()
                except Exception as error:
                    # Whatever fails, the rules in force stay, and the next change is looked for.
                    self._keep(repr(error))
