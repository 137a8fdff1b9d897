"""Catching up with new data: in order, once, and without a look at what comes later."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.errors import Refused
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, LedgerEntry, Order, OrderEvent, OrderState, Portfolio
from app.quant.costs import Side
from app.services import settling, strategy
from tests.services import lives
from tests.services.scenes import AHEAD, Prices, Scene, rewrite, scene, undone, with_action

BUY, SELL = Side.BUY, Side.SELL
TICKERS = ("AAA", "BBB", "CCC")
SEEDS = range(6)


@pytest.fixture
async def session(resources: Resources) -> AsyncIterator[AsyncSession]:
    async with undone(resources) as session:
        yield session


def walk(
    random: np.random.Generator, length: int = AHEAD, *, price: float = 100.0
) -> list[Prices | None]:
    """Bars of a price that moves some 3 % a session; now and then one is missing."""
    bars = list[Prices | None]()
    for _ in range(length):
        steps = np.round(price * np.exp(np.cumsum(random.normal(0.0, 0.015, 4))), 2)
        price = float(steps[3])
        bar = (float(steps[0]), float(steps.max()), float(steps.min()), price)
        bars.append(None if random.random() < 0.1 else bar)
    return bars


async def eventful(
    session: AsyncSession, market: MarketSnapshot, owner_id: int, random: np.random.Generator
) -> Scene:
    """Little cash, little volume, a split and two dividends."""
    bars = {ticker: walk(random) for ticker in TICKERS}
    stage = await scene(
        session,
        market,
        owner_id,
        bars,
        capital="20000",
        max_volume_share=0.0001,
        slippage_pct=0.0005,
        commission=Decimal(1),
    )
    for ticker, kind, value, on in (
        ("AAA", ActionKind.SPLIT, "2", 5),
        ("AAA", ActionKind.DIVIDEND, "0.25", 8),
        ("BBB", ActionKind.DIVIDEND, "1.10", 4),
    ):
        await with_action(stage, ticker, kind, value, on=on)
    return stage


async def ordered(stage: Scene, random: np.random.Generator, count: int = 50) -> None:
    """The same random orders for the same generator; some are more than there is."""
    for ticker in TICKERS:
        await stage.place(BUY, ticker, "20")
    # Far away, so that there is an order for the split to change.
    await stage.place(BUY, "AAA", "10", limit_price="1")
    for _ in range(count):
        side = BUY if random.random() < 0.5 else SELL
        offset = Decimal(str(round(float(random.normal(0.0, 7.0)), 2)))
        kinds: Sequence[dict[str, Any]] = (
            {"limit_price": 100 + offset},
            {"stop_price": 100 + offset},
            {"stop_price": 100 + offset, "limit_price": 100 + offset + 1},
        )
        quantity = int(random.integers(1, 20))
        about = kinds[int(random.integers(0, 3))]
        gtc = bool(random.random() < 0.8)
        with suppress(Refused):
            await stage.place(
                side, TICKERS[int(random.integers(0, 3))], str(quantity), gtc=gtc, **about
            )


async def twin(stage: Scene, owner_id: int) -> Scene:
    """Another portfolio that begins like the first one."""
    first = stage.portfolio
    portfolio = await lives.opened(
        stage.session,
        stage.at(0),
        owner_id,
        settings=strategy.settings_of(first),
        capital=str(first.initial_capital),
    )
    return Scene(stage.session, stage.market, portfolio, stage.known)


async def booked(session: AsyncSession, portfolio: Portfolio) -> list[tuple[Any, ...]]:
    columns = ("sequence", "kind", "etf_id", "quantity", "price", "fee", "amount", "session")
    query = (
        select(*(getattr(LedgerEntry, name) for name in columns))
        .where(LedgerEntry.portfolio_id == portfolio.id)
        .order_by(LedgerEntry.sequence)
    )
    return [tuple(row) for row in await session.execute(query)]


async def lived(session: AsyncSession, portfolio: Portfolio) -> list[tuple[Any, ...]]:
    """What happened to all orders, in the order of their creation."""
    columns = ("number", "state", "reason_code", "message", "session", "quantity", "price")
    query = (
        select(Order.created_at, *(getattr(OrderEvent, name) for name in columns))
        .join(OrderEvent, OrderEvent.order_id == Order.id)
        .where(Order.portfolio_id == portfolio.id)
        .order_by(Order.created_at, OrderEvent.number)
    )
    return [tuple(row) for row in await session.execute(query)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_catching_up_at_once_is_the_same_as_session_by_session(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, seed: int
) -> None:
    stage = await eventful(session, market, resources.owner_id, np.random.default_rng(seed))
    other = await twin(stage, resources.owner_id)
    for each in (stage, other):
        await ordered(each, np.random.default_rng(seed + 100))
    await stage.settle(AHEAD)
    for number in range(1, AHEAD + 1):
        await other.settle(number)
    entries = await booked(session, stage.portfolio)
    assert entries == await booked(session, other.portfolio)
    assert len(entries) > 8
    life = await lived(session, stage.portfolio)
    assert life == await lived(session, other.portfolio)
    assert {row[3] for row in life} >= {"filled", "triggered", "expired", "split_adjusted"}


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_fill_depends_on_a_later_bar(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, seed: int
) -> None:
    stage = await eventful(session, market, resources.owner_id, np.random.default_rng(seed))
    other = await twin(stage, resources.owner_id)
    for each in (stage, other):
        await ordered(each, np.random.default_rng(seed + 200))
    await stage.settle(AHEAD)
    seen = AHEAD // 2
    until = stage.day(seen)
    for ticker in TICKERS:
        # So low that every order to buy is reached.
        future = walk(np.random.default_rng(seed + 300), AHEAD - seen, price=0.4)
        await rewrite(stage, ticker, future, after=seen)
    changed = replace(other, market=stage.market, known={})
    await changed.settle(AHEAD)
    entries = await booked(session, stage.portfolio)
    after = await booked(session, other.portfolio)
    assert entries != after
    assert [row for row in entries if row[-1] <= until] == [
        row for row in after if row[-1] <= until
    ]


async def test_a_data_version_is_settled_once_and_then_for_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    stage = await eventful(session, market, resources.owner_id, np.random.default_rng(1))
    await ordered(stage, np.random.default_rng(2))
    assert await stage.settle(AHEAD)
    entries = await booked(session, stage.portfolio)
    life = await lived(session, stage.portfolio)
    # A session without a database: nothing is asked of it.
    nowhere = AsyncSession()
    assert await settling.settle(nowhere, stage.at(AHEAD), stage.portfolio, now=stage.now) == ()
    # The same prices under another name bring nothing new.
    stage.known.clear()
    assert await stage.settle(AHEAD) == ()
    assert await booked(session, stage.portfolio) == entries
    assert await lived(session, stage.portfolio) == life


async def test_shares_that_an_order_brought_before_the_ex_date_are_entitled(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    low: Prices = (95.0, 95.0, 95.0, 95.0)
    high: Prices = (99.0, 99.0, 99.0, 99.0)
    stage = await scene(session, market, resources.owner_id, {"AAA": (high, low), "BBB": (high,)})
    await with_action(stage, "AAA", ActionKind.DIVIDEND, "0.50", on=3)
    await with_action(stage, "BBB", ActionKind.DIVIDEND, "0.50", on=1)
    await stage.place(BUY, "AAA", "10", limit_price="96")
    await stage.place(BUY, "BBB", "10", limit_price="99.50")
    kinds = [entry.entry.kind for entry in await stage.settle(5)]
    assert kinds == ["buy", "buy", "dividend"]
    assert stage.portfolio.cash == 100_000 - 990 - 950 + 5


async def test_a_bar_that_comes_late_fills_at_its_own_session(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    still: Prices = (100.0, 100.0, 100.0, 100.0)
    stage = await scene(session, market, resources.owner_id, {"AAA": (None, still)})
    order = await stage.place(BUY, "AAA", "10", limit_price="95")
    assert await stage.settle(3) == ()
    await rewrite(stage, "AAA", [(94.0, 96.0, 93.0, 95.0)], after=0)
    (fill,) = await stage.settle(3)
    assert (fill.entry.session, fill.entry.price) == (stage.day(1), Decimal(94))
    assert (await stage.order(order)).state is OrderState.FILLED


async def test_a_bar_that_comes_late_does_not_trade_with_what_came_after_it(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    still: Prices = (100.0, 100.0, 100.0, 100.0)
    stage = await scene(session, market, resources.owner_id, {"AAA": (None, still)})
    await stage.place(BUY, "AAA", "10")
    order = await stage.place(SELL, "AAA", "10", stop_price="95")
    await stage.place(SELL, "AAA", "10", at=2)
    await stage.place(BUY, "AAA", "10", at=3)
    low: Prices = (94.0, 96.0, 93.0, 95.0)
    await rewrite(stage, "AAA", [low, low, low], after=0)
    assert await stage.settle(4) == ()
    assert (await stage.order(order)).state is OrderState.ACCEPTED
