"""A portfolio at the beginning of some sessions whose bars a test writes itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind, Portfolio, TimeInForce
from app.quant.costs import Side
from app.schemas.order import OrderDetail
from app.services import orders, settling, trading
from app.services.entry import Booked
from app.services.trading import OrderTicket, Placed
from tests.services import lives
from tests.services.lives import NOW

AHEAD = 12
"""Sessions after the beginning."""

Prices = tuple[float, float, float, float]
"""Open, high, low, close."""

FREE = {"slippage_pct": 0.0, "impact": 0.0, "commission": Decimal(0)}


@asynccontextmanager
async def undone(resources: Resources) -> AsyncIterator[AsyncSession]:
    """A transaction that is rolled back, because scenes change the bars of all tests in it."""
    async with resources.sessions() as session, session.begin() as transaction:
        yield session
        await transaction.rollback()


@dataclass(slots=True)
class Scene:
    """`market` ends `AHEAD` sessions after the one that orders are placed at."""

    session: AsyncSession
    market: MarketSnapshot
    portfolio: Portfolio
    known: dict[int, MarketSnapshot] = field(default_factory=dict)
    now: datetime = NOW

    def day(self, number: int) -> date:
        """The session so many after the beginning."""
        return lives.day(self.market, AHEAD - number)

    def at(self, number: int) -> MarketSnapshot:
        """What is known at the close of that session: one data version each."""
        if number not in self.known:
            self.known[number] = lives.until(self.market, self.day(number))
        return self.known[number]

    async def place(
        self,
        side: Side,
        ticker: str,
        quantity: str,
        *,
        at: int = 0,
        gtc: bool = True,
        **ticket: Any,
    ) -> UUID:
        return (await self.placed(side, ticker, quantity, at=at, gtc=gtc, **ticket)).order.id

    async def placed(
        self,
        side: Side,
        ticker: str,
        quantity: str,
        *,
        at: int = 0,
        gtc: bool = True,
        **ticket: Any,
    ) -> Placed:
        about: dict[str, Any] = {
            name: Decimal(value) if name.endswith("_price") else value
            for name, value in ticket.items()
        }
        self.now += timedelta(seconds=1)
        wanted = OrderTicket(
            order_id=uuid4(),
            ticker=ticker,
            side=side,
            quantity=Decimal(quantity),
            time_in_force=TimeInForce.GTC if gtc else TimeInForce.DAY,
            **about,
        )
        return await trading.place(self.session, self.at(at), self.portfolio, wanted, now=self.now)

    async def settle(self, number: int) -> tuple[Booked, ...]:
        return await settling.settle(self.session, self.at(number), self.portfolio, now=self.now)

    async def order(self, order_id: UUID) -> OrderDetail:
        return await orders.detail(self.session, self.portfolio, order_id)

    async def life(self, order_id: UUID) -> list[tuple[str, int]]:
        """The reason codes of what happened to it after it was accepted, each with its session."""
        days = [self.day(number) for number in range(AHEAD + 1)]
        events = (await self.order(order_id)).events[2:]
        return [(event.reason_code, days.index(event.session)) for event in events]


async def scene(
    session: AsyncSession,
    market: MarketSnapshot,
    owner_id: int,
    bars: Mapping[str, Sequence[Prices | None]],
    *,
    capital: str = "100000.00",
    **rules: Any,
) -> Scene:
    """Trading is free unless `rules` say otherwise. The given ETFs close at 100 up to the
    beginning; then come their bars, None for a missing one, and after them they stand still."""
    closes = market.panel.close.copy()
    for ticker, given in bars.items():
        prices = _all_bars(given)
        closes[market.row(ticker), :-AHEAD] = 100.0
        closes[market.row(ticker), -AHEAD:] = [bar[3] if bar else np.nan for bar in prices]
        for number, bar in enumerate(prices, start=1):
            await _write(session, market, ticker, lives.day(market, AHEAD - number), bar)
    changed = lives.with_closes(market, closes)
    beginning = lives.until(changed, lives.day(market, AHEAD))
    settings = lives.rules(**{**FREE, **rules})
    portfolio = await lives.opened(session, beginning, owner_id, settings=settings, capital=capital)
    return Scene(session, changed, portfolio, {0: beginning})


def with_facts(scene: Scene, ticker: str, **facts: Any) -> None:
    """Something else is known of an ETF from the beginning on."""
    row = scene.market.row(ticker)
    etfs = list(scene.market.etfs)
    etfs[row] = replace(etfs[row], **facts)
    scene.market = replace(scene.market, etfs=tuple(etfs))
    scene.known.clear()


async def with_split(scene: Scene, ticker: str, ratio: str, *, on: int) -> None:
    """The bars from that session on, as the test wrote them, are of new shares."""
    await with_action(scene, ticker, ActionKind.SPLIT, ratio, on=on)


async def with_action(scene: Scene, ticker: str, kind: ActionKind, value: str, *, on: int) -> None:
    etf_id, ex_date = lives.etf_id(scene.market, ticker), scene.day(on)
    number = await scene.session.scalar(
        text("""
            INSERT INTO corporate_actions (etf_id, ex_date, kind, value, source)
            VALUES (:etf_id, :ex_date, :kind, :value, 'test')
            ON CONFLICT (etf_id, ex_date, kind) DO UPDATE SET value = excluded.value RETURNING id
            """),
        {"etf_id": etf_id, "ex_date": ex_date, "kind": kind.value, "value": Decimal(value)},
    )
    assert number is not None
    action = Action(number, etf_id, ex_date, kind, Decimal(value))
    actions = sorted((*scene.market.actions, action), key=lambda each: each.ex_date)
    scene.market = replace(scene.market, actions=tuple(actions), adjusted_only=False)
    scene.known.clear()


async def rewrite(scene: Scene, ticker: str, bars: Sequence[Prices | None], *, after: int) -> None:
    """Other bars from the session after `after` on, at data versions of their own."""
    closes = scene.market.panel.close.copy()
    for number, bar in enumerate(bars, start=after + 1):
        closes[scene.market.row(ticker), number - AHEAD - 1] = bar[3] if bar else np.nan
        await _write(scene.session, scene.market, ticker, scene.day(number), bar)
    scene.market = lives.with_closes(scene.market, closes)
    scene.known.clear()


def _all_bars(given: Sequence[Prices | None]) -> list[Prices | None]:
    last = next((bar[3] for bar in reversed(given) if bar), 100.0)
    return [*given, *[(last,) * 4] * (AHEAD - len(given))]


async def _write(
    session: AsyncSession, market: MarketSnapshot, ticker: str, day: date, bar: Prices | None
) -> None:
    about = {"etf_id": lives.etf_id(market, ticker), "session": day}
    await session.execute(
        text("DELETE FROM etf_prices WHERE etf_id = :etf_id AND session = :session"), about
    )
    if bar is not None:
        names = ("open", "high", "low", "close")
        await session.execute(
            text("""
                INSERT INTO etf_prices (etf_id, session, open, high, low, close, volume)
                VALUES (:etf_id, :session, :open, :high, :low, :close, 500000)
                """),
            about | dict(zip(names, bar, strict=True)),
        )
