"""Dividends that are spent on what paid them, where a portfolio's rules want that."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from app.brokers import PaperBroker
from app.core.errors import NoPrice
from app.core.money import ZERO
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, OrderOrigin, Portfolio
from app.quant.book import Market, ProposedOrder, order_for
from app.quant.costs import Side
from app.quant.sizing import affordable_quantity
from app.services import cooldowns, ledger, pricing, strategy
from app.services.desk import Batch, Desk
from app.services.entry import Booked
from app.services.pricing import NotTraded

_INCOME = frozenset({EntryKind.DIVIDEND, EntryKind.TAX})


async def reinvest(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    credited: Sequence[Booked],
    *,
    on: date,
    now: datetime,
) -> tuple[Booked, ...]:
    """Buy as many shares of each ETF as its dividends in `credited`, after tax, pay for, costs
    included, at the close of `on`.

    Nothing is bought of an ETF that does not trade or that a stop has just sold, or for less than
    the smallest quantity; the cash stays. The caller holds the lock on the portfolio.
    """
    rules = strategy.settings_of(portfolio)
    income = _income(credited)
    if not rules.reinvest_dividends or not income:
        return ()
    policy = strategy.stop_policy(rules)
    barred = await cooldowns.barred(session, market, portfolio, at=on, policy=policy)
    costs = pricing.cost_model(rules)
    source = f"dividends:{portfolio.id}:{max(booked.sequence for booked in credited)}"
    desk = Desk(
        market=market,
        broker=PaperBroker(costs),
        costs=costs,
        rules=rules,
        session=on,
        now=now,
        batch=Batch(OrderOrigin.REINVESTMENT, source),
        book=await ledger.current_book(session, portfolio),
    )
    orders = (_order(desk, etf_id, amount) for etf_id, amount in income.items())
    lines = [
        await desk.trade(order)
        for order in orders
        if order is not None and order.ticker not in barred
    ]
    return await ledger.book_all(
        session,
        portfolio,
        [line.entry for line in lines if line.entry is not None],
        now=now,
        orders=[line.life for line in lines if line.life is not None],
    )


def _order(desk: Desk, etf_id: int, amount: Decimal) -> ProposedOrder | None:
    """The purchase that the amount pays for."""
    ticker = desk.market.etfs[desk.market.row_of_id[etf_id]].ticker
    try:
        quote = pricing.priced(desk.market, ticker, desk.session).quote
    except (NoPrice, NotTraded):
        return None
    step = strategy.order_settings(desk.rules).step
    quantity = affordable_quantity(amount, quote, desk.costs, step=step)
    if not quantity:
        return None
    priced = Market({ticker: quote}, desk.costs)
    return order_for(ticker, Side.BUY, quantity, market=priced, reason="Its dividend is reinvested")


def _income(credited: Iterable[Booked]) -> Mapping[int, Decimal]:
    """What corporate actions paid in cash, after tax, by ETF; where it is positive."""
    found: defaultdict[int, Decimal] = defaultdict(lambda: ZERO)
    for booked in credited:
        entry = booked.entry
        if entry.kind in _INCOME and entry.etf_id is not None and entry.action_id is not None:
            found[entry.etf_id] += entry.amount
    return {etf_id: amount for etf_id, amount in sorted(found.items()) if amount > 0}
