from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from starlette.responses import PlainTextResponse

from scrapeguard.app import ScrapeGuard
from scrapeguard.asgi.exchange import ExchangeJob
from scrapeguard.core.clients import ClientKey
from scrapeguard.core.history import History
from scrapeguard.core.journal import Journal
from scrapeguard.core.ledger import Deed, Ledger
from scrapeguard.core.rates import Rates
from scrapeguard.rulefile.load import load_policy
from scrapeguard.stores.memory import Hub, MemoryStore
from scrapeguard.stores.port import StoreError

KEY = ClientKey("192.0.2.1", b"A", None)


class Losable:
    """A store that can be lost."""

    def __init__(self, store):
        self.store = store
        self.lost = False

    async def exchange(self, body):
        if self.lost:
            raise StoreError("nobody answers")
        return await self.store.exchange(body)


class Worker:
    def __init__(self, hub, clock=lambda: 1000.0):
        self.ledger = Ledger()
        self.store = Losable(MemoryStore(hub))
        self.job = ExchangeJob(
            self.store,
            "the store (memory)",
            Journal(History(), self.ledger, Rates([])),
            clock=clock,
            monotonic=lambda: 50.0,
            failure=StoreError,
        )

    def round(self):
        asyncio.run(self.job.run_once())

    def knows(self):
        return bool(self.ledger.evidence(KEY, 50.0))


@pytest.fixture
def workers():
    hub = Hub(clock=lambda: 990.0)
    return Worker(hub), Worker(hub)


def test_what_one_worker_knows_the_other_does(workers):
    one, other = workers
    one.ledger.note(KEY, Deed.FOLLOWED_TRAP, 50.0)
    one.round()
    assert not other.knows()
    other.round()
    assert other.knows()
    assert other.ledger._known.get(KEY).deeds == {Deed.FOLLOWED_TRAP: 40.0}


class Slow(Losable):
    """Hands in at once, and answers when it is let."""

    def __init__(self, store):
        super().__init__(store)
        self.go_on = asyncio.Event()
        self.bodies = []

    async def exchange(self, body):
        self.bodies.append(body)
        told = await super().exchange(body)
        await self.go_on.wait()
        return told


def test_two_who_run_one_job_tell_nothing_twice(workers):
    """As while a guard takes the place of another: both run it, and the first is ended in the midst of a round."""
    one, _ = workers
    one.ledger.note(KEY, Deed.FOLLOWED_TRAP, 50.0)
    slow = one.job._store = Slow(one.store)

    async def main():
        first = asyncio.create_task(one.job.run_once())
        await asyncio.sleep(0)
        await one.job.run_once()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        slow.go_on.set()
        await one.job.run_once()

    asyncio.run(main())
    assert [body is not None for body in slow.bodies] == [True, False]


def test_what_was_heard_is_not_told_again(workers):
    one, other = workers
    one.ledger.note(KEY, Deed.FOLLOWED_TRAP, 50.0)
    for _ in range(5):
        one.round()
        other.round()
    kept = asyncio.run(MemoryStore(one.store.store._hub).exchange(None))
    assert len(kept) == 1


def test_a_store_that_is_lost_is_told_once_and_loses_nothing(workers, caplog):
    one, other = workers
    one.store.lost = True
    one.ledger.note(KEY, Deed.FOLLOWED_TRAP, 50.0)
    with caplog.at_level(logging.WARNING, logger="scrapeguard"):
        for _ in range(5):
            one.round()
        assert one.knows()
        one.store.lost = False
        one.round()
    assert [record.getMessage() for record in caplog.records] == [
        "the store (memory) is lost, each worker goes by what it knows itself until it is back: nobody answers",
        "the store (memory) is back",
    ]
    assert one.job.failures == 5
    other.round()
    assert other.knows()


class Hanging:
    """A store that never answers."""

    async def exchange(self, body):
        await asyncio.Event().wait()

    async def shared(self, name, value):
        await asyncio.Event().wait()

    async def close(self):
        pass


def test_no_request_waits_for_a_store_that_hangs(tmp_path, catalogue, monkeypatch):
    monkeypatch.setenv("SCRAPEGUARD_SECRET", "a secret of the tests")
    monkeypatch.setattr("scrapeguard.parts.open_store", lambda text, base: Hanging())
    (tmp_path / "rules.yaml").write_text("version: 1\nextends: default\nstore: 'sqlite:x.db'\nevents: {log: off}\n")
    policy = load_policy(tmp_path / "rules.yaml", catalogue=catalogue)
    guarded = ScrapeGuard(PlainTextResponse("page"), policy)

    async def ask():
        transport = httpx.ASGITransport(guarded)
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
            answers = [await client.get(f"/{number}") for number in range(20)]
        await guarded._background.stop()
        return [answer.text for answer in answers]

    assert asyncio.run(ask()) == ["page"] * 20
