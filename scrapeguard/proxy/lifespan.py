"""Driving the lifespan of an app from within another app (ASGI lifespan protocol 2.0)."""

from __future__ import annotations

import asyncio

from scrapeguard.proxy.types import ASGIApp, Message


class AppLifespan:
    """Starts an app and stops it.

    Args:
        app: the app; it shares no state with its requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and wait until it has.

        Raises:
            RuntimeError: it says that it cannot, or ends.
        """
        self._task = asyncio.create_task(self._run())
        answer = await self._tell("startup")
        if answer["type"] != "lifespan.startup.complete":
            await self._task
            raise RuntimeError(answer.get("message") or "the app could not start")

    async def stop(self) -> None:
        """Stop it, and wait until it has."""
        if self._task is not None and not self._task.done():
            await self._tell("shutdown")
            await self._task

    async def _tell(self, what: str) -> Message:
        await self._to_app.put({"type": f"lifespan.{what}"})
        return await self._from_app.get()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._to_app.get, self._from_app.put)
            message = "the app ended"
        except Exception as error:
            message = repr(error)
        await self._from_app.put({"type": "lifespan.startup.failed", "message": message})
