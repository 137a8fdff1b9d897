"""One key is one trade: sent at once, after a time-out, after a kill, again and again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

from tests.reliability import audit
from tests.reliability.client import Client
from tests.reliability.installation import Installation
from tests.reliability.instructions import Instruction, Kind, one
from tests.reliability.journal import Journal
from tests.reliability.ledger import read_ledger
from tests.reliability.load import CLIENTS, open_portfolios

REDELIVERIES = 1000


@asynccontextmanager
async def many_clients(installation: Installation, journal: Journal) -> AsyncIterator[list[Client]]:
    clients = [Client(installation.api.port, journal, Random(number)) for number in range(CLIENTS)]
    yield clients
    await asyncio.gather(*(client.close() for client in clients))


def buy(portfolio_id: int, key: str) -> Instruction:
    return one(Kind.BUY, portfolio_id, key, Random(key))


def trades(installation: Installation, portfolio_ids: Sequence[int]) -> int:
    ledger = read_ledger(installation.database.address, portfolio_ids)
    return sum(row.kind == Kind.BUY for row in ledger.rows)


async def test_sent_64_times_at_once_it_trades_once(installation: Installation) -> None:
    mine, *_ = await open_portfolios(installation, "at once")
    journal = Journal()
    records = [journal.record(buy(mine, f"at once {number}")) for number in range(5)]
    async with many_clients(installation, journal) as clients:
        for record in records:
            await asyncio.gather(*(client.send(record) for client in clients))
            await asyncio.gather(*(client.repeat(record) for client in clients))
    assert {answer.status for answer in journal.answers()} <= {201, 409}
    assert audit.findings(installation, journal) == []
    assert trades(installation, [mine]) == len(records)


async def test_sent_again_after_its_answer_was_not_waited_for_it_trades_once(
    installation: Installation,
) -> None:
    portfolio_ids = await open_portfolios(installation, "not waited for")
    journal = Journal()
    records = [journal.record(buy(i, f"not waited for {i}")) for i in portfolio_ids]
    async with many_clients(installation, journal) as clients:

        async def impatient(number: int) -> None:
            client, record = clients[number], records[number % len(records)]
            for _ in range(3):
                await client.hang_up(record, after=1.0)
            await client.repeat(record)

        await asyncio.gather(*(impatient(number) for number in range(CLIENTS)))
    assert all(record.acknowledged for record in records)
    assert audit.findings(installation, journal) == []
    assert trades(installation, portfolio_ids) == len(records)


async def test_sent_again_after_a_kill_it_trades_once(
    installation: Installation, *, long: bool
) -> None:
    """Killed a little later each time, so that some are not begun, some done and not answered."""
    rounds, span = (100, 0.2) if long else (4, 0.12)
    portfolio_ids = await open_portfolios(installation, "killed")
    journal = Journal()
    async with many_clients(installation, journal) as clients:
        for number in range(rounds):
            records = [
                journal.record(buy(portfolio_ids[n % len(portfolio_ids)], f"killed {number} {n}"))
                for n in range(CLIENTS)
            ]
            sending = asyncio.gather(*map(Client.send, clients, records))
            await asyncio.sleep(span * (number + 1) / rounds)
            await asyncio.to_thread(installation.api.kill)
            await sending
            await asyncio.to_thread(installation.api.start)
            await asyncio.gather(*map(Client.repeat, clients, records))
    assert any(record.unread for record in journal.records.values())
    assert audit.findings(installation, journal) == []
    assert trades(installation, portfolio_ids) == journal.acknowledged == rounds * CLIENTS


async def test_a_thousand_redeliveries_make_no_order(installation: Installation) -> None:
    portfolio_ids = await open_portfolios(installation, "redelivered")
    journal = Journal()
    records = [journal.record(buy(i, f"redelivered {i}")) for i in portfolio_ids]
    async with many_clients(installation, journal) as clients:
        await asyncio.gather(*map(Client.repeat, clients, records))
        before = read_ledger(installation.database.address, portfolio_ids)
        await asyncio.to_thread(installation.api.kill)
        await asyncio.to_thread(installation.api.start)

        async def redeliver(number: int) -> None:
            for again in range(REDELIVERIES // CLIENTS + 1):
                await clients[number].send(records[(number + again) % len(records)])

        await asyncio.gather(*(redeliver(number) for number in range(CLIENTS)))
    assert len(list(journal.answers())) >= REDELIVERIES
    assert read_ledger(installation.database.address, portfolio_ids) == before
    assert audit.findings(installation, journal) == []
