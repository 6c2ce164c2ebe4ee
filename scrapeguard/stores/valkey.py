"""A store for the workers of many machines: a stream of a Valkey server, or of a Redis server from 6.2 on.

An exchange is one script on the server, so that it is one round trip, nothing comes between its parts, and what is
handed out is counted in bytes, which no command of streams does. It needs a single server, not a cluster, whose user
may run EVAL, EVALSHA, SELECT, SET, GET, TIME, PEXPIRE, XADD, XDEL, XRANGE, XREVRANGE and XTRIM on keys that begin with
the prefix.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from importlib.util import find_spec
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, NamedTuple

from scrapeguard.stores.port import (
    MAX_BATCH,
    MAX_HANDED_OUT,
    MAX_KEPT,
    OVERHEAD,
    RETENTION,
    Batch,
    StoreError,
    check_body,
)
from scrapeguard.stores.turns import Turns
from scrapeguard.stores.valkeyurl import Address, read_url

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "scrapeguard:"
"""Where the keys begin; two sites on one server take two databases of it."""
TIMEOUT = 1.0
"""Seconds to wait for a connection, and for each part of an answer."""
LIMIT = 10.0
"""Seconds that an exchange may take, though something comes all the time."""
MISSING = 'Valkey and Redis need an extra: pip install "scrapeguard[valkey]"'


class Position(NamedTuple):
    """Up to which id a worker has read, and of which data: none at first."""

    data: bytes = b""
    id: bytes = b""


class ValkeyStore:
    """One worker at a server, to which it connects when it is first used, and again after each failure.

    Args:
        url: see `read_url`.
        prefix: where the keys begin.
        token: makes the names of the worker and of the data, which no other has.
        timeout: seconds to wait for a connection, and for each part of an answer.

    Raises:
        StoreError: the URL cannot be read, or the extra is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = PREFIX,
        token: Callable[[int], bytes] = token_bytes,
        timeout: float = TIMEOUT,
    ) -> None:
        if not installed():
            raise StoreError(MISSING)
        try:
            self._address = read_url(url)
        except ValueError as error:
            raise StoreError(str(error)) from None
        self._prefix = prefix
        self._token = token
        self._timeout = timeout
        self._script = (files("scrapeguard.stores") / "exchange.lua").read_text(encoding="utf-8")
        self._digest = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._turns = Turns()
        self._client: Redis | None = None
        self._pid: int | None = None
        self._worker = b""
        self._position = Position()
        # A process that closes connections of its parent would take them from the parent's event loop.
        self._inherited: list[Redis] = []

    def __repr__(self) -> str:
        return f"ValkeyStore({str(self._address)!r})"

    async def exchange(self, body: bytes | None) -> list[Batch]:
        """See `Store`."""
        check_body(body)
        async with self._turns.turn() as moved:
            client = self._here(moved)
            keys = self._prefix + "batches", self._prefix + "data"
            ceilings = int(RETENTION * 1000), MAX_KEPT, MAX_HANDED_OUT, MAX_BATCH, OVERHEAD
            given = self._token(16), self._worker, body or b"", *self._position, *ceilings
            answer = await self._asked(lambda: self._run(client, *keys, *given))
            batches, self._position = self._read(answer)
        return batches

    async def _run(self, client: Redis, *arguments: str | bytes | int) -> Any:
        """What the script answers, which the server knows by its digest once it has been sent."""
        from redis.exceptions import NoScriptError

        try:
            return await client.evalsha(self._digest, 2, *arguments)
        except NoScriptError:
            return await client.eval(self._script, 2, *arguments)

    async def close(self) -> None:
        """See `Store`."""
        async with self._turns.turn() as moved:
            if self._client is None or moved:
                return
            client, self._client = self._client, None
            with suppress(Exception):
                await client.aclose()

    def _here(self, moved: bool) -> Redis:
        """The client of this event loop of this process; connections of another cannot be used."""
        if self._pid != os.getpid():
            self._pid, self._worker, self._position = os.getpid(), self._token(16), Position()
            if self._client is not None:
                self._inherited.append(self._client)
            self._client = None
        if self._client is None or moved:
            self._client = connect(self._address, self._timeout)
        return self._client

    async def _asked(self, ask: Callable[[], Any]) -> Any:
        """The answer to a question.

        Raises:
            StoreError: there is none.
        """
        try:
            async with asyncio.timeout(LIMIT):
                return await ask()
        except TimeoutError:
            fault = f"no answer within {LIMIT:.0f} s"
        except Exception as error:
            # The client raises many things where a server answers what none should.
            fault = self._without_secrets(str(error) or type(error).__name__)
        # Raised out here, so that what the client said, which may hold the password, does not go along as its context.
        raise self._error(fault)

    def _without_secrets(self, text: str) -> str:
        # A server that does not know AUTH says what it was called with.
        for secret in (self._address.password, self._address.username):
            if secret:
                text = text.replace(secret, "***")
        return "".join(character if character.isprintable() else "?" for character in text[:300])

    def _read(self, answer: Any) -> tuple[list[Batch], Position]:
        if not (isinstance(answer, list) and len(answer) >= 2 and len(answer) % 2 == 0):
            raise self._error("the answer is not as it must be; is it a Valkey or Redis server?")
        if not all(isinstance(part, bytes) and len(part) <= MAX_BATCH for part in answer):
            raise self._error(f"the data is not as scrapeguard made it; delete the keys {self._prefix}*")
        try:
            batches = [
                Batch(int(id_.partition(b"-")[0]) / 1000, body)
                for id_, body in zip(answer[2::2], answer[3::2], strict=True)
            ]
        except (ValueError, OverflowError):
            raise self._error("the answer is not as it must be; is it a Valkey or Redis server?") from None
        return batches, Position(answer[0], answer[1])

    def _error(self, fault: str) -> StoreError:
        return StoreError(f"store {self._address}: {fault}")


def installed() -> bool:
    """Whether the extra is there."""
    return find_spec("redis") is not None


def connect(address: Address, timeout: float) -> Redis:
    """A client for a server, which connects with the first command, and tries none twice."""
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    where: dict[str, Any] = {"host": address.host, "port": address.port}
    if address.path:
        where = {"unix_socket_path": address.path}
    elif address.tls:
        where |= {"ssl": True, "ssl_ca_certs": address.ca}
    return Redis(
        **where,
        db=address.database,
        username=address.username,
        password=address.password,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # The caller comes again soon.
        retry=Retry(NoBackoff(), 0),
        # Every server speaks it, and it asks for no greeting.
        protocol=2,
    )
