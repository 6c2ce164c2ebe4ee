from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress

import pytest

from scrapeguard.asgi.background import Background


class Swallowing:
    """A job that keeps its first cancellation to itself, as `asyncio.wait_for` may where both come in one moment."""

    waits = False

    def __init__(self, every):
        self.every = every
        self.rounds = 0

    async def run_once(self):
        self.rounds += 1
        with suppress(asyncio.CancelledError) if self.rounds == 1 else nullcontext():
            await asyncio.Event().wait()


@pytest.mark.parametrize("every", [0.0, 3600.0])
def test_what_keeps_a_cancellation_to_itself_ends_with_its_round(every):
    job = Swallowing(every)

    async def run():
        beside = Background([job])
        beside.start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ending = asyncio.create_task(beside.stop())
        await asyncio.wait([ending], timeout=5)
        return ending.done()

    assert asyncio.run(run())
    assert job.rounds == 1
