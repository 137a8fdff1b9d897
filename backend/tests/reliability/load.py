"""Many clients at once on one server, and what is done to the server meanwhile."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import httpx2

from tests.reliability.client import Client
from tests.reliability.installation import DidNotHappen, Installation
from tests.reliability.instructions import Instruction, instructions
from tests.reliability.journal import Journal

CLIENTS = 64
PORTFOLIOS = 16
CAPITAL = "100000.00"
RULES = {
    "optimizer": "simple",
    "num_positions": 10,
    "max_weight": 0.2,
    "cash_buffer": 0.2,
    "fractional_shares": True,
}
"""Ten of the market's twelve scored ETFs, and enough cash and shares left to go on trading."""
SECONDS_TO_RECOVER = 120.0
SECONDS_BETWEEN_LOOKS = 0.01


async def open_portfolios(installation: Installation, name: str) -> tuple[int, ...]:
    """Sixteen portfolios with 100,000 USD each."""
    async with httpx2.AsyncClient(base_url=installation.api.address, trust_env=False) as http:
        created = [
            await http.post(
                "/api/portfolios",
                json={
                    "name": f"{name} {number}",
                    "initial_capital": CAPITAL,
                    "market": installation.market.code,
                    **RULES,
                },
            )
            for number in range(PORTFOLIOS)
        ]
    return tuple(answer.raise_for_status().json()["id"] for answer in created)


class Load:
    """Clients that take the next instruction as soon as they have settled the last one."""

    def __init__(self, port: int, todo: Iterable[Instruction], seed: int) -> None:
        self.journal = Journal()
        self._todo = iter(todo)
        random = Random(seed)
        self._clients = [
            Client(port, self.journal, Random(random.random())) for _ in range(CLIENTS)
        ]

    async def run(self) -> None:
        """Until nothing is left to do and all is settled."""
        try:
            await asyncio.gather(*(self._work(client) for client in self._clients))
        finally:
            await asyncio.gather(*(client.close() for client in self._clients))

    async def _work(self, client: Client) -> None:
        while (instruction := next(self._todo, None)) is not None:
            await client.settle(instruction)

    def stop(self) -> None:
        """Begin nothing more."""
        self._todo = iter(())

    def expect_answers(self) -> None:
        """No more harm is done: what is not settled soon never will be."""
        for client in self._clients:
            client.patient_until = time.monotonic() + SECONDS_TO_RECOVER

    async def acknowledges(self, more: int) -> None:
        """Wait until so many more instructions are acknowledged; raises `DidNotHappen`."""
        enough = self.journal.acknowledged + more
        await self._reaches(lambda: self.journal.acknowledged >= enough)

    async def begins(self, instructions: int) -> None:
        """Wait until so many instructions have been begun; raises `DidNotHappen`."""
        await self._reaches(lambda: len(self.journal.records) >= instructions)

    async def _reaches(self, state: Callable[[], bool]) -> None:
        until = time.monotonic() + SECONDS_TO_RECOVER
        while not state():
            if time.monotonic() > until:
                raise DidNotHappen(f"the load did not get on in {SECONDS_TO_RECOVER:g} s")
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


@asynccontextmanager
async def under_load(installation: Installation, name: str, seed: int) -> AsyncIterator[Load]:
    """Load without end during the block; on leaving it everything sent is settled."""
    portfolio_ids = await open_portfolios(installation, name)
    load = Load(installation.api.port, instructions(portfolio_ids, seed), seed)
    running = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        load.stop()
        load.expect_answers()
        await running


async def harm(
    installation: Installation, load: Load, faults: "Iterable[Fault]", random: Random
) -> int:
    """Do these to the installation, one after the other; how many were done.

    Between two of them trades go through, so that each strikes in the middle of something.
    """
    done = 0
    for fault in faults:
        await load.acknowledges(random.randint(1, 20))
        await asyncio.sleep(random.uniform(0.0, 0.05))
        await asyncio.to_thread(fault.strike, installation)
        done += 1
    await load.acknowledges(1)
    return done


@dataclass(frozen=True, slots=True)
class Fault:
    """The API killed, PostgreSQL stopped, or both, and started again."""

    kills_api: bool
    stops_database: signal.Signals | None = None

    def strike(self, installation: Installation) -> None:
        """Blocks until what was stopped answers again."""
        if self.kills_api:
            installation.api.kill()
        if self.stops_database is not None:
            installation.database.stop(self.stops_database)
            installation.database.start()
        if self.kills_api:
            installation.api.start()


RESTARTS = (
    Fault(kills_api=False, stops_database=signal.SIGINT),
    Fault(kills_api=False, stops_database=signal.SIGQUIT),
    Fault(kills_api=True, stops_database=signal.SIGINT),
    Fault(kills_api=False, stops_database=signal.SIGKILL),
    Fault(kills_api=True, stops_database=signal.SIGQUIT),
)
"""The ways in which PostgreSQL goes away, twice together with the server."""


def faults(*, kills: int, restarts: int, random: Random) -> list[Fault]:
    """So many kills of the API and, among them, restarts of PostgreSQL, in random order."""
    chosen = [RESTARTS[number % len(RESTARTS)] for number in range(restarts)]
    together = sum(fault.kills_api for fault in chosen)
    chosen += [Fault(kills_api=True)] * (kills - together)
    random.shuffle(chosen)
    return chosen
