"""How many may do something at once: never more, and no turn is lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.proxy.errors import UpstreamBusyError
from scrapeguard.proxy.slots import Slots


def free(slots):
    """How many turns are to be had; all are given back."""
    taken = 0
    while slots.take_at_once():
        taken += 1
    for _ in range(taken):
        slots.give_back()
    return taken


def test_as_many_as_there_are_get_a_turn_at_once():
    slots = Slots(2, 1.0)
    assert [slots.take_at_once() for _ in range(3)] == [True, True, False]
    slots.give_back()
    assert slots.take_at_once()


def test_the_others_wait_in_their_order():
    async def main():
        slots, order = Slots(1, 5.0), []

        async def one(number):
            await slots.take()
            order.append(number)
            await asyncio.sleep(0)
            # Who comes later does not get ahead of those who wait.
            assert order[-1] == number
            slots.give_back()

        await asyncio.gather(*(one(number) for number in range(1)))
        assert slots.take_at_once()
        waiting = [asyncio.create_task(one(number)) for number in (1,)]
        await asyncio.sleep(0)
        assert not slots.take_at_once()
        slots.give_back()
        assert not slots.take_at_once()
        await asyncio.gather(*waiting)
        return order, free(slots)

    assert asyncio.run(main()) == ([0, 1], 1)


def test_who_waits_too_long_is_told_so_and_takes_nobodys_turn():
    async def main():
        slots = Slots(1, 0.01)
        await slots.take()
        with pytest.raises(UpstreamBusyError):
            await slots.take()
        slots.give_back()
        return free(slots)

    assert asyncio.run(main()) == 1


def test_too_many_do_not_even_wait():
    async def main():
        slots = Slots(1, 60.0)
        await slots.take()
        waiting = asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        with pytest.raises(UpstreamBusyError):
            await slots.take()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        slots.give_back()
        return free(slots)

    assert asyncio.run(main()) == 1


@given(st.integers(1, 3), st.lists(st.sampled_from(["take", "end", "cancel", "turn"]), max_size=30))
def test_no_turn_is_lost_or_doubled(most, steps):
    async def main():
        slots, tasks, holding, peak = Slots(most, 60.0), [], set(), 0

        async def hold():
            await slots.take()
            try:
                holding.add(asyncio.current_task())
                await asyncio.Event().wait()
            finally:
                holding.discard(asyncio.current_task())
                slots.give_back()

        for step in steps:
            if step == "take":
                tasks.append(asyncio.create_task(hold()))
            elif step == "end" and holding:
                next(iter(holding)).cancel()
            elif step == "cancel" and tasks:
                tasks[len(tasks) // 2].cancel()
            else:
                await asyncio.sleep(0)
            peak = max(peak, len(holding))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return peak, free(slots)

    peak, left = asyncio.run(main())
    assert peak <= most
    assert left == most
