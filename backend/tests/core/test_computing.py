"""Long answers: shared by who asks the same, in turn for the others."""

import asyncio

import pytest

from app.core.computing import Computing


class Kitchen:
    """Counts what it makes, and how much of it at once."""

    def __init__(self) -> None:
        self.made = self.now = self.most = 0
        self.go_on = asyncio.Event()

    async def make(self) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go_on.wait()
        self.now -= 1
        self.made += 1
        return self.made


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_the_same_at_the_same_time_gets_one_answer() -> None:
    computing, kitchen = Computing(), Kitchen()
    asked = [asyncio.create_task(computing.answer("one", kitchen.make)) for _ in range(20)]
    await settle()
    kitchen.go_on.set()
    assert await asyncio.gather(*asked) == [1] * 20
    assert await computing.answer("one", kitchen.make) == 2


async def test_different_questions_wait_for_their_turn() -> None:
    computing, kitchen = Computing(at_once=2), Kitchen()
    asked = [asyncio.create_task(computing.answer(n, kitchen.make)) for n in range(6)]
    await settle()
    assert kitchen.now == 2
    kitchen.go_on.set()
    assert sorted(await asyncio.gather(*asked)) == [1, 2, 3, 4, 5, 6]
    assert kitchen.most == 2


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    computing, kitchen = Computing(), Kitchen()
    leaves, stays = (asyncio.create_task(computing.answer("one", kitchen.make)) for _ in range(2))
    await settle()
    leaves.cancel()
    await settle()
    kitchen.go_on.set()
    assert await stays == 1


async def test_what_nobody_waits_for_any_longer_is_not_begun() -> None:
    computing, kitchen = Computing(), Kitchen()
    first = asyncio.create_task(computing.answer("one", kitchen.make))
    second = asyncio.create_task(computing.answer("two", kitchen.make))
    await settle()
    second.cancel()
    await settle()
    kitchen.go_on.set()
    assert await first == 1
    await settle()
    assert kitchen.made == 1


async def test_a_failure_reaches_everybody_and_is_not_remembered() -> None:
    computing, kitchen = Computing(), Kitchen()
    kitchen.go_on.set()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError

    asked = [asyncio.create_task(computing.answer("one", fail)) for _ in range(3)]
    for each in asked:
        with pytest.raises(LookupError):
            await each
    assert await computing.answer("one", kitchen.make) == 1
