"""What every store does, whichever it is."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrapeguard.stores.port import (
    MAX_BATCH,
    MAX_HANDED_OUT,
    MAX_KEPT,
    OVERHEAD,
    RETENTION,
    Batch,
    weight,
)


@asynccontextmanager
async def stores(place, number):
    try:
        yield [place.store() for _ in range(number)]
    finally:
        await place.close()


async def got(store, body=None):
    """The bodies that an exchange gives."""
    return [batch.body for batch in await store.exchange(body)]


async def all_got(store):
    """The bodies that exchanges give until one gives none."""
    bodies = []
    while new := await got(store):
        bodies += new
    return bodies


async def test_others_get_a_batch_once_in_order_and_oneself_never(place):
    async with stores(place, 3) as (ada, ben, cleo):
        assert await got(ada, b"1") == []
        assert await got(ben, b"2") == [b"1"]
        assert await got(ada, b"3") == [b"2"]
        assert await got(ben) == [b"3"]
        assert await got(ben, b"4") == []
        assert await got(ada) == [b"4"]
        assert await got(cleo, b"5") == [b"1", b"2", b"3", b"4"]
        assert [await got(store) for store in (ada, ben, cleo)] == [[b"5"], [b"5"], []]


async def test_a_batch_says_when_it_was_handed_in(place):
    async with stores(place, 2) as (ada, ben):
        before = time.time()
        await ada.exchange(b"x")
        (batch,) = await ben.exchange(None)
        assert isinstance(batch, Batch)
        # A server counts in milliseconds.
        assert before - 0.002 <= batch.time <= time.time() + 0.002


@pytest.mark.parametrize("nothing", [None, b""])
async def test_nothing_is_handed_in_as_nothing(place, nothing):
    async with stores(place, 2) as (ada, ben):
        assert await got(ada, nothing) == []
        assert await got(ben) == []


async def test_a_body_has_a_largest_size(place):
    async with stores(place, 2) as (ada, ben):
        await ada.exchange(b"x" * MAX_BATCH)
        with pytest.raises(ValueError, match="262,145 bytes"):
            await ada.exchange(b"x" * (MAX_BATCH + 1))
        assert await got(ben) == [b"x" * MAX_BATCH]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.binary(min_size=1, max_size=300), max_size=5))
def test_a_body_is_any_octets(place, bodies):
    async def scenario():
        async with stores(place, 2) as (ada, ben):
            await all_got(ben)
            for body in bodies:
                await ada.exchange(body)
            assert await got(ben) == bodies

    asyncio.run(scenario())


async def test_what_is_too_old_is_not_handed_out_and_is_not_kept(place):
    await place.plant(RETENTION + 5, b"too old")
    await place.plant(RETENTION - 60, b"old")
    async with stores(place, 2) as (ada, ben):
        assert await got(ada) == [b"old"]
        await ada.exchange(b"new")
        assert await got(ben) == [b"old", b"new"]
        assert kept(place) == 2


async def test_there_is_a_ceiling_on_what_is_kept_and_on_what_is_handed_out(place):
    sent = [number.to_bytes(4, "big") * (MAX_BATCH // 4) for number in range(66)]
    async with stores(place, 2) as (ada, ben):
        for body in sent:
            await ada.exchange(body)
        parts = []
        while part := await got(ben):
            parts.append(part)
        assert [part for part in parts if sum(map(weight, part)) > MAX_HANDED_OUT] == []
        assert sum(map(weight, parts[0])) > MAX_HANDED_OUT - MAX_BATCH - OVERHEAD
        received = [body for part in parts for body in part]
        assert received == sent[-63:]
        assert sum(map(weight, received)) <= MAX_KEPT
        assert kept(place) == 63


@pytest.mark.parametrize(("over", "oldest"), [(0, b"1"), (1, b"2"), (weight(b"1"), b"2"), (weight(b"1") + 1, b"x")])
async def test_the_oldest_goes_as_soon_as_it_does_not_fit_whole(place, over, oldest):
    async with stores(place, 2) as (ada, ben):
        for body in (b"1", b"2"):
            await ada.exchange(body)
        for _ in range(63):
            await ada.exchange(b"x" * MAX_BATCH)
        room = MAX_KEPT - 63 * (MAX_BATCH + OVERHEAD) - 2 * weight(b"1")
        await ada.exchange(b"x" * (room - OVERHEAD + over))
        received = await all_got(ben)
        assert received[0][:1] == oldest
        assert sum(map(weight, received)) <= MAX_KEPT


async def test_many_at_once_get_all_of_each_other_once_and_in_one_order(place):
    async with stores(place, 8) as workers:
        received = {number: [] for number in range(len(workers))}

        async def work(number, store):
            for turn in range(6):
                received[number] += await got(store, bytes([number, turn]))

        await asyncio.gather(*(work(number, store) for number, store in enumerate(workers)))
        for number, store in enumerate(workers):
            received[number] += await got(store)
        (order,) = {tuple(await got(place.store()))}
        assert len(order) == len(workers) * 6
        for number, bodies in received.items():
            assert bodies == [body for body in order if body[0] != number]


async def test_calls_of_one_worker_take_turns(place):
    async with stores(place, 2) as (ada, ben):
        await asyncio.gather(*(ada.exchange(bytes([number])) for number in range(20)))
        found = await asyncio.gather(*(got(ben) for _ in range(20)))
        assert sorted(body for bodies in found for body in bodies) == [bytes([number]) for number in range(20)]


async def test_what_a_cancelled_call_had_read_comes_with_the_next(place):
    async with stores(place, 2) as (ada, ben):
        received = []
        for number in range(40):
            await ada.exchange(bytes([number]))
            task = asyncio.create_task(got(ben))
            await ticks(number)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            received += outcome if isinstance(outcome, list) else []
        received += await got(ben)
        assert received == [bytes([number]) for number in range(40)]


async def test_what_a_cancelled_call_hands_in_is_handed_in_once_or_not(place):
    async with stores(place, 2) as (ada, ben):
        certain = []
        for number in range(40):
            task = asyncio.create_task(ada.exchange(bytes([number])))
            await ticks(number)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            certain += [bytes([number])] if isinstance(outcome, list) else []
        await ada.exchange(b"last")
        received = await got(ben)
        assert received[-1] == b"last"
        assert len(set(received)) == len(received)
        assert set(received) >= set(certain)
        assert received[:-1] == sorted(received[:-1])


async def test_who_is_closed_opens_again_and_goes_on(place):
    async with stores(place, 2) as (ada, ben):
        await ben.close()
        await ada.exchange(b"1")
        assert await got(ben) == [b"1"]
        await ben.close()
        await ben.close()
        await ada.exchange(b"2")
        assert await got(ben, b"3") == [b"2"]
        assert await got(ada) == [b"3"]


def test_another_event_loop_goes_on_where_one_ended(place):
    ada, ben = place.store(), place.store()

    async def scenario(body, expected):
        await ada.exchange(body)
        assert await got(ben) == [expected]
        await asyncio.gather(*(ben.exchange(None) for _ in range(3)))
        await place.close()

    for body in (b"1", b"2"):
        asyncio.run(scenario(body, body))


async def ticks(number):
    """Let the event loop go round so many times, now and then with a pause."""
    for _ in range(number % 10):
        await asyncio.sleep(0)
    await asyncio.sleep(number // 10 * 0.0003)


def kept(place):
    """How many batches lie in the store."""
    if hasattr(place, "hub"):
        return len(place.hub._entries)
    if hasattr(place, "path"):
        with closing(sqlite3.connect(place.path)) as connection:
            return connection.execute("SELECT count(*) FROM batches").fetchone()[0]
    with place.server.client() as client:
        return client.xlen("scrapeguard:batches")
