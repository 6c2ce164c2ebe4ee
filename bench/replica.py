"""One of several processes of a site, for `bench.scaling`: a whole guard, requests of its own, orders over a pipe."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from enum import Enum, auto
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from bench.clients import CHROME, GPTBOT
from scrapeguard.asgi.background import Background
from scrapeguard.core.decision import Action
from scrapeguard.core.request import Request
from scrapeguard.parts import Parts
from scrapeguard.rulefile.load import load_policy

RATE = 50
"""Requests a second."""
_TICK = 0.02
_CLIENTS = 400
_LOOK = 0.005
_SECRET = "a secret of the measuring, long enough"
_RULES = """version: 1
extends: default
verification: {{dns: off, refresh: off}}
events: {{log: off}}
traps: {{live: on}}
store: "{store}"
"""
_HOST = CHROME["host"]


class Order(Enum):
    """What a replica is told to do; each order has one answer."""

    USAGE = auto()
    CATCH = auto()
    """Let a client follow a trap; the answer is the time of it."""
    WATCH = auto()
    """Wait until a client is refused; the answer is the time of it."""
    IS_REFUSED = auto()
    PACE = auto()
    """So many requests a second from now on."""


class Usage(NamedTuple):
    """What a replica has done since it began; `slowest` is the longest that a decision took since it was asked last."""

    requests: int
    cpu: float
    failures: int
    dropped: int
    slowest: float

    def since(self, before: Usage) -> Usage:
        """What came since then."""
        return self._replace(
            requests=self.requests - before.requests,
            cpu=self.cpu - before.cpu,
            failures=self.failures - before.failures,
            dropped=self.dropped - before.dropped,
        )


def replica(pipe: Connection, store: str, folder: str, seed: int) -> None:
    """The work of the process, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.environ["SCRAPEGUARD_SECRET"] = _SECRET
    rules = Path(folder) / f"rules-{seed}.yaml"
    rules.write_text(_RULES.format(store=store))
    asyncio.run(_Replica(Parts(load_policy(rules)), pipe, random.Random(seed)).main())


class _Replica:
    def __init__(self, parts: Parts, pipe: Connection, dice: random.Random) -> None:
        self._parts = parts
        self._guard = parts.guard
        self._pipe = pipe
        self._dice = dice
        self._asked = asyncio.Event()
        self._rate, self._begun, self._due = float(RATE), time.monotonic(), 0
        self._requests = 0
        self._slowest = 0.0

    async def main(self) -> None:
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._asked.set)
        self._parts.behaviour.history.styles.served(_HOST, time.monotonic())
        await Background(self._parts.jobs).start_and_wait()
        work = asyncio.create_task(self._serve())
        self._pipe.send("ready")
        while not work.done():
            await self._asked.wait()
            self._asked.clear()
            while self._pipe.poll():
                order, name = self._pipe.recv()
                self._pipe.send(await self._obey(order, name))

    async def _obey(self, order: Order, name: str) -> object:
        match order:
            case Order.USAGE:
                exchange, slowest = self._parts.exchange, self._slowest
                self._slowest = 0.0
                failures = 0 if exchange is None else exchange.failures
                dropped = 0 if exchange is None else exchange.journal.dropped
                return Usage(self._requests, time.process_time(), failures, dropped, slowest)
            case Order.CATCH:
                traps = self._parts.behaviour.traps
                path = "" if traps is None else traps.address(traps.of_nobody)
                if self._guard.assess(_of_stranger(name, path)).action.passes:
                    raise AssertionError("who follows a trap is not refused")
                return time.monotonic()
            case Order.PACE:
                self._rate, self._begun, self._due = float(name), time.monotonic(), 0
                return None
            case Order.WATCH:
                # Nothing tells of it but the decision itself.
                while not self._refuses(name):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK)
                return time.monotonic()
            case Order.IS_REFUSED:
                return self._refuses(name)

    def _refuses(self, name: str) -> bool:
        return self._guard.assess(_of_stranger(name, "/page")).action is Action.BLOCK

    async def _serve(self) -> None:
        """Requests at an even pace; what was missed is made up for."""
        while True:
            due = int((time.monotonic() - self._begun) * self._rate)
            missing, self._due = due - self._due, due
            for _ in range(missing):
                request = self._request()
                start = time.perf_counter()
                self._guard.assess(request)
                self._slowest = max(self._slowest, time.perf_counter() - start)
                self._requests += 1
            await asyncio.sleep(_TICK)

    def _request(self) -> Request:
        number = self._dice.randrange(_CLIENTS)
        kind = self._dice.randrange(5)
        if kind == 0:
            return Request.of("/", headers=GPTBOT, peer=f"198.18.0.{number % 250}", scheme="https")
        peer = f"198.19.{number // 250}.{number % 250}"
        page = f"/articles/{self._dice.randrange(500)}"
        if kind == 1:
            headers = CHROME | {"sec-fetch-site": "same-origin", "referer": f"https://{_HOST}/"}
            return Request.of(page, headers=headers, peer=peer, scheme="https")
        headers = CHROME | {"sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "style"}
        path = ("/site.css", "/site.js", "/masthead.svg")[kind - 2]
        return Request.of(path, headers=headers, peer=peer, scheme="https")


def _of_stranger(name: str, path: str) -> Request:
    return Request.of(path, user_agent=f"{name}/1.0", host=_HOST, peer="203.0.113.77")
