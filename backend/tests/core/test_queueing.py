"""Waiting in line."""

import asyncio

import pytest

from app.core.queueing import Queue


async def test_turns_of_one_name_come_one_at_a_time_in_order() -> None:
    queue, seen = Queue(), list[int]()

    async def take(number: int) -> None:
        async with queue.turn("mine"):
            seen.append(number)
            await asyncio.sleep(0)
            seen.append(number)

    await asyncio.gather(*(take(number) for number in range(5)))
    assert seen == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert not queue.is_taken("mine")


async def test_other_names_do_not_wait() -> None:
    queue = Queue()
    async with queue.turn("mine"), queue.turn("yours"):
        assert queue.is_taken("mine")


async def test_whoever_gives_up_or_fails_leaves_the_line() -> None:
    queue = Queue()
    async with queue.turn("mine"):
        impatient = asyncio.create_task(_take(queue))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
    with pytest.raises(ZeroDivisionError):
        async with queue.turn("mine"):
            raise ZeroDivisionError
    assert not queue.is_taken("mine")


async def _take(queue: Queue) -> None:
    async with queue.turn("mine"):
        raise AssertionError
